"""Our own Ray head: its process, its temporary folder, its logs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.local import head
from deploy.local.processes import ProcessId, end, reap, spawn
from deploy.local.rest import RayRest
from serving.pools import start

GRACE_S: Final = 4.0
"""Enough for the engines, which Ray tells first; Ray's own processes often take longer than anyone
should wait, and hold nothing that must be written."""
LONGEST_TEMP: Final = 12
"""Ray puts sockets 90 characters below it, and the system limits a socket's path to 107."""
PREFIX: Final = "bifocal-"


class RayHead:
    def __init__(self, ports: head.Ports, *, ray_token: str) -> None:
        self.ports = ports
        self.rest = RayRest(ports.dashboard, ray_token)
        # Ray opens its own folder to everyone; the one around it is its owner's alone.
        self.temp_dir = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_short_temp())) / "ray"
        self.temp_dir.mkdir()
        self.scratch = self.temp_dir.parent / "tmp"
        """For what engines would leave in the system's own: sockets, mostly."""
        self.scratch.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.id: ProcessId | None = None

    def start(self, env: Mapping[str, str], cpus: int) -> None:
        command = head.command(self.ports, temp_dir=self.temp_dir, cpus=cpus)
        with self.log.open("wb") as log:
            self._process = spawn(command, {**env, "TMPDIR": str(self.scratch)}, log)
        self.id = ProcessId.of(self._process.pid)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> Path:
        return self.temp_dir / "head.log"

    @property
    def logs(self) -> Path:
        return self.temp_dir / "session_latest" / "logs"

    def end(self) -> None:
        if self.id is not None:
            end(self.id, grace_s=GRACE_S)
        if self._process is not None:
            reap(self._process)

    def forget(self) -> None:
        remove(self.temp_dir)


def said(logs: Path, replica: Mapping[str, Any]) -> start.Said:
    """By a replica of its start. Ray names a process's log by its id."""
    files = logs.glob(f"worker-*-{replica.get('pid')}.err")
    return start.said("".join(map(_beginning, files)))


def _beginning(log: Path) -> str:
    with log.open(errors="replace") as file:
        return file.read(start.OF_A_START)


def remove(temp_dir: Path) -> None:
    """With the private folder around it; nothing that is not ours, whatever a file may say."""
    around = temp_dir.parent
    if around.name.startswith(PREFIX):
        shutil.rmtree(around, ignore_errors=True)


def _short_temp() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) <= LONGEST_TEMP or not os.path.isdir("/tmp") else "/tmp"  # noqa: S108
