"""The state folder: who runs, where it listens, its secrets and logs. Readable by its owner alone.

A lock on the folder, held while a supervisor lives, is the truth about whether one does.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from deploy.failure import Exit, Failure
from deploy.local.head import Ports
from deploy.local.processes import ProcessId

logger = logging.getLogger(__name__)

Progress = Literal["starting", "ready", "failed"]
FILE: Final = "state.json"
LOOK_S: Final = 0.01
"""Much longer than a look at the lock takes."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a supervisor says of itself."""

    supervisor: ProcessId
    progress: Progress
    url: str
    ray_url: str
    ports: Ports
    temp_dir: str
    """Ray's, alone in a private folder of ours; its logs are in `session_latest/logs`."""
    head: ProcessId | None = None
    gateway: ProcessId | None = None
    why: str | None = None
    """Of a failure."""
    leaving: tuple[ProcessId, ...] = ()
    """Gateways that were replaced and still have answers under way."""
    handovers: int = 0
    """How often another gateway was asked for."""
    handover_failed: str | None = None
    """Why the last of them did not take over."""
    cpus: int = 0
    """That Ray counts with, from its start to its end."""
    cache: str = ""
    """Where engines keep what they compile."""


@dataclass(frozen=True, slots=True)
class Left:
    """What must be known to end a service, whatever version of bifocal started it."""

    supervisor: ProcessId | None = None
    head: ProcessId | None = None
    gateway: ProcessId | None = None
    leaving: tuple[ProcessId, ...] = ()
    temp_dir: str | None = None


class OtherVersion(Failure):
    """The state is not as this version writes it."""


def running_here(env: Mapping[str, str]) -> Running | None:
    """What runs now, if anything does; a folder that is not there is not made."""
    place = _place(env)
    if not os.path.isfile(place / FILE):
        return None
    state = StateFolder(place)
    return state.load() if state.is_locked() else None


def _place(env: Mapping[str, str]) -> Path:
    """`$BIFOCAL_STATE`, or the place that the desktop's conventions give."""
    if chosen := env.get("BIFOCAL_STATE"):
        return Path(chosen)
    home = Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "bifocal"


class StateFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.logs.chmod(0o700)  # also one that was there before
        self._lock: int | None = None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "StateFolder":
        return cls(_place(env))

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def up_log(self) -> Path:
        return self.logs / "up.log"

    @property
    def gateway_log(self) -> Path:
        return self.logs / "gateway.log"

    @property
    def cluster_file(self) -> Path:
        """The cluster file as it is served: ports chosen, sources found."""
        return self.path / "cluster.yaml"

    @property
    def applying_file(self) -> Path:
        """The cluster file that is being applied; it is there as long as the pools may be as it
        says, and the rest of the service as the other one does."""
        return self.path / "applying.yaml"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def orders_file(self) -> Path:
        """What operators have ordered; it stays when the service ends."""
        return self.path / "orders.json"

    @property
    def pool_token_file(self) -> Path:
        return self.path / "pool-token"

    @property
    def ray_token_file(self) -> Path:
        return self.path / "ray-token"

    def lock(self) -> bool:
        """True for the one supervisor; the system lets go when it dies, however it dies. Whoever
        only looks has let go a moment later, so it is tried twice."""
        if (handle := self._taken(fcntl.LOCK_EX)) is None:
            time.sleep(LOOK_S)
            handle = self._taken(fcntl.LOCK_EX)
        if handle is None:
            return False
        self._lock = handle
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_locked(self) -> bool:
        """By a lock that those who look share: they must not take each other for a supervisor."""
        if self._lock is not None:
            return True
        if (handle := self._taken(fcntl.LOCK_SH)) is not None:
            os.close(handle)
        return handle is None

    def _taken(self, kind: int) -> int | None:
        handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def new_secret(self, file: Path) -> str:
        secret = secrets.token_urlsafe(32)
        self.write(file, secret)
        return secret

    def write(self, file: Path, text: str) -> None:
        """Whole or not at all, and for the owner alone."""
        draft = file.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        draft.replace(file)

    def save(self, running: Running) -> None:
        self.write(self._file, msgspec.json.encode(asdict(running)).decode())

    def load(self) -> Running | None:
        """Raises OtherVersion."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Running)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            what = f"{self._file} was written by another version of bifocal: {error}"
            remedy = "`bifocal down` stops what that started; then `bifocal up`"
            raise OtherVersion(Exit.FAILED, what, remedy) from None

    def left(self) -> Left | None:
        """Of a service of whatever version; nothing is known of it if the file is torn."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Left)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            logger.warning("%s does not say which processes it is of: %s", self._file, error)
            return Left()

    def clear(self) -> None:
        for file in (self._file, self.applying_file, self.pool_token_file, self.ray_token_file):
            file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.path / FILE
