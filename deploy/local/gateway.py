"""The gateway as a child process that is started again when it dies."""

import http.client
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.processes import ProcessId, end, spawn

GRACE_S: Final = 10.0
FASTEST_RESTART_S: Final = 1.0
SLOWEST_RESTART_S: Final = 30.0
LONG_LIFE_S: Final = 60.0
"""A gateway that lived so long is started again at once."""


def command(cluster_file: Path) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", "gateway", "--config", str(cluster_file)]


class Gateway:
    """`now` is a monotonic clock's; each restart of one that does not last waits twice as long."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._env = env
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._wait_s = FASTEST_RESTART_S
        self.id: ProcessId | None = None

    def start(self, now: float) -> None:
        with self._log.open("ab") as log:
            self._process = spawn(self._command, self._env, log)
        self.id = ProcessId.of(self._process.pid)
        self._started = now

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    def restart_if_due(self, now: float) -> bool:
        """Whether it had died and was started again."""
        if self.exit_code is None:
            return False
        lived = now - self._started
        self._wait_s = FASTEST_RESTART_S if lived > LONG_LIFE_S else self._wait_s
        if lived < self._wait_s:
            return False
        self._wait_s = min(SLOWEST_RESTART_S, 2 * self._wait_s)
        self.start(now)
        return True

    def end(self) -> None:
        if self.id is not None:
            end(self.id, grace_s=GRACE_S)
        if self._process is not None:
            self._process.wait()


def answers(host: str, port: int, path: str = "/health") -> bool:
    """Whether it says 200."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
