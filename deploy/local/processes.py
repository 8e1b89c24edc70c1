"""Processes of ours: begun in sessions of their own, known by id and start time, ended for sure.

A session is the one tie that holds: a child of a dead parent gets a new parent, and Ray's workers
overwrite their command line and environment, but all keep the session of the head they came from.
"""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

logger = logging.getLogger(__name__)

GONE_WITHIN_S: Final = 10.0
"""After SIGKILL. One that is still there waits in the kernel, for a device or a disk that may never
answer, and no signal reaches it."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # where the system keeps it
_LEFT_BEHIND: Final = tuple(f"{_SHARED_MEMORY}/{prefix}" for prefix in ("psm_", "sem.mp-"))
"""Python's names for shared memory and semaphores."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """An id is used again; with its start time it is not."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    @property
    def alive(self) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return self._is(process) and process.status() != psutil.STATUS_ZOMBIE
        return False

    def reused(self) -> bool:
        """Somebody else has this id now."""
        found = ProcessId.of(self.pid)
        return found is not None and found.started != self.started

    def _is(self, process: psutil.Process) -> bool:
        return bool(process.create_time() == self.started)


def spawn(
    command: Sequence[str], env: Mapping[str, str], log: IO[bytes], inherits: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A leader of a new session, so that Ctrl-C in the terminal is the supervisor's alone; it gets
    SIGTERM from the system if the supervisor dies without a word. Of our open files it gets those
    whose numbers it `inherits`."""
    return subprocess.Popen(  # noqa: S603  # our own commands
        command,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=inherits,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  # the supervisor has one thread
    )


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def session(leader: ProcessId) -> list[psutil.Process]:
    """Everything alive that came from it, itself included, also after it is gone: the system gives
    its id to nobody while the session has members."""
    if leader.reused():
        return []
    return [p for p in psutil.process_iter() if _session_of(p) == leader.pid and runs(p)]


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def runs(process: psutil.Process) -> bool:
    """A zombie does not: it only waits to be counted by its parent."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(leader: ProcessId, *, grace_s: float) -> None:
    """Asks the leader, waits, and kills what is left, with the memory it shared. What cannot be
    killed is named and left."""
    shared = _shared_memory(session(leader))
    with contextlib.suppress(ProcessLookupError):
        if leader.alive:
            os.kill(leader.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while session(leader) and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in _killed(leader):
        logger.warning("process %d cannot be killed; it is left", process.pid)
    for name in shared:
        (_SHARED_MEMORY / name).unlink(missing_ok=True)


def reap(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a child that was ended; None of one that cannot be."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(GONE_WITHIN_S)
    return None


def _killed(leader: ProcessId) -> list[psutil.Process]:
    """All of its session. What is there all the same."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while (left := session(leader)) and time.monotonic() < deadline:
        _kill(left)
        time.sleep(0.1)
    return left


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _shared_memory(processes: Iterable[psutil.Process]) -> set[str]:
    """Named segments that a killed process cannot remove itself."""
    names: set[str] = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            maps = process.memory_maps(grouped=True)
            names |= {Path(m.path).name for m in maps if m.path.startswith(_LEFT_BEHIND)}
    return names
