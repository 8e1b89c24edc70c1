"""The gateway as a child process: started again when it dies, and followed by another that is
configured otherwise without a moment in which nobody listens."""

import http.client
import json
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from deploy.local.processes import ProcessId, end, reap, spawn
from deploy.succession import MAKE_ROOM, READY

logger = logging.getLogger(__name__)

GRACE_S: Final = 10.0
FASTEST_RESTART_S: Final = 1.0
SLOWEST_RESTART_S: Final = 30.0
LONG_LIFE_S: Final = 60.0
"""A gateway that lived so long is started again at once."""
READY_WITHIN_S: Final = 60.0
"""Its imports take a second or two, and ten on a machine where engines start."""
LOOKS_EVERY_S: Final = 0.2


def command(cluster_file: Path, orders: Path | None = None) -> list[str]:
    kept = [] if orders is None else ["--orders", str(orders)]
    return [sys.executable, "-m", "deploy.cli", "gateway", "--config", str(cluster_file), *kept]


class Gateway:
    """`now` is a monotonic clock's; each restart of one that does not last waits twice as long."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._env = env
        self._log = log
        self._listener: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving: list[tuple[subprocess.Popen[bytes], ProcessId]] = []
        self._started = 0.0
        self._wait_s = FASTEST_RESTART_S
        self.id: ProcessId | None = None

    def listen(self, host: str, port: int) -> None:
        """Takes the port for all gateways to come; whoever asks while there is none, waits. Raises
        OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)

    def start(self, now: float) -> None:
        """One that dies is noticed, so nobody waits for its word."""
        with open(os.devnull, "wb") as nobody:
            self._follow(self._spawn(self._command, nobody.fileno()), now)

    def hand_over(
        self, command: Sequence[str], now: float, is_over: Callable[[], bool]
    ) -> str | None:
        """Starts another gateway, and once that accepts, lets the one that runs answer out. Why
        this did not come to be, if so: all is as it was then. It is not waited for when the service
        `is_over`."""
        try:
            process, said = self._beside(command)
        except OSError as error:
            return f"another gateway cannot be started: {error}"
        with said:
            word = _word(said, is_over)
        if word != READY:
            return self._give_up(process, late=word is None, is_over=is_over())
        self._leave()
        self._follow(process, now)
        return None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def leaving(self) -> tuple[ProcessId, ...]:
        """Those before it that still answer."""
        self._leaving = [(process, id) for process, id in self._leaving if process.poll() is None]
        return tuple(id for _, id in self._leaving)

    def restart_if_due(self, now: float) -> bool:
        """Whether it had died and was started again; where it cannot be, it is tried later."""
        if self.exit_code is None:
            return False
        lived = now - self._started
        self._wait_s = FASTEST_RESTART_S if lived > LONG_LIFE_S else self._wait_s
        if lived < self._wait_s:
            return False
        self._wait_s = min(SLOWEST_RESTART_S, 2 * self._wait_s)
        try:
            self.start(now)
        except OSError as error:
            logger.warning("the gateway has died and cannot be started again: %s", error)
            self._started = now
            return False
        return True

    def end(self) -> None:
        """With all that were before it."""
        if self._listener is not None:
            self._listener.close()
        for id in (*self.leaving, *([] if self.id is None else [self.id])):
            end(id, grace_s=GRACE_S)
        for process in (*(process for process, _ in self._leaving), self._process):
            if process is not None:
                reap(process)

    def _beside(self, command: Sequence[str]) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        """Another one, and where it says that it accepts. Raises OSError."""
        reading, writing = os.pipe()
        said = os.fdopen(reading, "rb", buffering=0)
        try:
            with os.fdopen(writing, "wb") as told:
                return self._spawn(command, told.fileno()), said
        except OSError:
            said.close()
            raise

    def _spawn(self, command: Sequence[str], told: int) -> subprocess.Popen[bytes]:
        inherits: tuple[int, ...] = ()
        if self._listener is not None:
            inherits = (self._listener.fileno(), told)
            command = [*command, "--listen-fd", str(inherits[0]), "--ready-fd", str(told)]
        with self._log.open("ab") as log:
            return spawn(command, self._env, log, inherits)

    def _follow(self, process: subprocess.Popen[bytes], now: float) -> None:
        self._process, self.id, self._started = process, ProcessId.of(process.pid), now

    def _leave(self) -> None:
        if self._process is not None and self.id is not None and self.exit_code is None:
            self._process.send_signal(MAKE_ROOM)
            self._leaving.append((self._process, self.id))

    def _give_up(self, process: subprocess.Popen[bytes], *, late: bool, is_over: bool) -> str:
        process.kill()
        code = reap(process)
        if not late:
            return f"the new gateway ended with {code}; {self._log} says why"
        if is_over:
            return "the service ends, so the new gateway did not take over"
        return f"the new gateway did not accept within {READY_WITHIN_S:g} s"


def _word(said: IO[bytes], is_over: Callable[[], bool]) -> bytes | None:
    """What a new gateway says, which is nothing if it ends; None if that takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and not is_over():
        if select.select([said], [], [], LOOKS_EVERY_S)[0]:
            return said.read(len(READY))
    return None


def answers(host: str, port: int, path: str = "/health") -> bool:
    """Whether it says 200."""
    found = _asked(host, port, path)
    return found is not None and found[0] == http.HTTPStatus.OK


def offered(host: str, port: int) -> frozenset[str]:
    """The pools that it says are ready, a moment later than they are: it asks Ray by turns."""
    found = _asked(host, port, "/ready")
    try:
        pools = json.loads(found[1])["pools"] if found else {}
    except (ValueError, KeyError):
        return frozenset()
    return frozenset(name for name, pool in pools.items() if pool["ready"])


def _asked(host: str, port: int, path: str) -> tuple[int, bytes] | None:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
