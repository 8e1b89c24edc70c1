"""The processes of an engine, ended by its replica when it is stuck, and by another replica when
theirs is gone.

Serve kills a replica that is ill, but neither Serve nor Ray kills what a fork server made for it,
and a process that is stopped hears of no end but by force. What outlives its replica so is found by
a variable of its environment, by the next replica that starts on the node.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

OWNER: Final = "BIFOCAL_REPLICA"
"""In the environment of all that a replica starts: the process that did."""


def kill_children() -> None:
    """All that this process has started, and what they have. Whoever waits for the engine hears of
    its death at once."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def own() -> None:
    """Whatever this process starts from now on bears its name."""
    os.environ[OWNER] = _name(os.getpid())


def end_orphans() -> list[int]:
    """What was started by a process that is gone; its ids, for the log."""
    ended = []
    for process in _orphans():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            ended.append(process.pid)
    return ended


def _orphans() -> Iterator[psutil.Process]:
    namespace = _namespace()
    for process in psutil.process_iter():
        try:
            owner = process.environ().get(OWNER, "")
        except psutil.Error:  # it has ended, or is somebody else's
            continue
        # Another namespace has other ids: whether its processes are there cannot be seen from here.
        if owner.endswith(namespace) and owner != _name(owner.partition(" ")[0]):
            yield process


def _name(pid: int | str) -> str:
    """An id comes back when its process is long gone; with the tick in which the process began it
    does not. Empty where there is none, or one that is only not buried yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name of the program comes second, in brackets, and may be anything.
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else f"{pid} {rest[18]} {_namespace()}"


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")
