"""The file of keys: one line a key, its team and its hash, read anew whenever it changes.

So a key that is added opens and a key that is removed closes within a second or two, without a
restart. What makes a key good is decided in `serving.keys`. Beside it, the tokens that fixed
targets ask for.
"""

import fcntl
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.config import ConfigError
from deploy.reading import Document, UnreadableFile, parse, text_of
from serving.config import ModelSpec
from serving.keys import SCOPES, KeyRecord, KeyRing, KeyStore, NoKeys
from serving.values import ModelName, Team

logger = logging.getLogger("bifocal.keys")

CHECK_EVERY_S: Final = 1.0
AT_ONCE_BYTES: Final = 32 * 1024
"""About 250 keys, read in 50 ms: so long may the event loop stop when keys change, so that a new
key opens at its first use. A larger file is read beside it; a thousand keys take 230 ms."""
_FIELDS: Final = ("team", "sha256", "expires", "scopes")
_TOKEN: Final = re.compile(r"[!-~]+")


def line_of(record: KeyRecord) -> str:
    """The line that goes into the file."""
    expires = "" if record.expires_at is None else f', expires: "{_text(record.expires_at)}"'
    scopes = f", scopes: [{', '.join(sorted(record.scopes))}]" if record.scopes else ""
    return f'- {{team: "{record.team}", sha256: "{record.sha256}"{expires}{scopes}}}'


def read_keys(path: Path) -> KeyRing:
    """Raises ConfigError with every problem and its line; no value of the file is repeated."""
    try:
        return keys_in(text_of(path), path)
    except UnreadableFile as error:
        raise ConfigError(str(error)) from None


def keys_in(text: str, path: Path) -> KeyRing:
    """Of the file as it would be with this text. Raises as `read_keys` does."""
    try:
        document = parse(text, str(path))
    except UnreadableFile as error:
        raise ConfigError(str(error)) from None
    records, problems = [], []
    for index, entry in enumerate(_entries(document, path)):
        try:
            records.append(_record(entry))
        except ValueError as error:
            problems.append(f"{path}:{document.lines[str(index),]}: {error}")
    if problems:
        raise ConfigError("\n".join(problems[:20]))
    try:
        return KeyRing.of(records)
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Between a look at the file and its change nobody else changes it. By its folder, since the
    file may be new or be replaced; a file system without locks does without. Raises OSError."""
    folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def store_of(path: str | None) -> KeyStore:
    """Of `gateway.keys`. Without a file everyone is let in, which the check of the cluster file
    allows on loopback alone."""
    return NoKeys() if path is None else FileKeys(Path(path))


def target_tokens(models: Mapping[ModelName, ModelSpec]) -> dict[ModelName, str]:
    """What `targetsToken` names, by pool; read once, at the start. Raises ConfigError."""
    return {
        name: _token(Path(spec.targets_token))
        for name, spec in models.items()
        if spec.targets_token is not None
    }


def _token(path: Path) -> str:
    try:
        token = text_of(path).strip()
    except UnreadableFile as error:
        raise ConfigError(str(error)) from None
    if not _TOKEN.fullmatch(token):
        msg = f"{path}: holds no token; allowed: one line of visible ASCII characters"
        raise ConfigError(msg)
    return token


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Differs when the file was written or replaced, as a mounted Kubernetes secret is."""

    modified_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "_Stamp | None":
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)


class FileKeys:
    """A KeyStore over a file. A file that breaks while it runs leaves the last good keys in force
    and is told once; one that is broken at the start raises ConfigError."""

    def __init__(self, path: Path, at_once_bytes: int = AT_ONCE_BYTES) -> None:
        self._path = path
        self._at_once_bytes = at_once_bytes
        self._seen = _Stamp.of(path)
        self._ring = read_keys(path)
        self._checked_at = float("-inf")
        self._reading = threading.Lock()

    def record_of(self, secret: str | None, now: float) -> KeyRecord:
        if not 0 <= now - self._checked_at < CHECK_EVERY_S:  # the clock may step back
            self._checked_at = now
            self._look()
        return self._ring.record_of(secret, now)

    def starting(self, start: str) -> tuple[KeyRecord, ...]:
        return self._ring.starting(start)

    def _look(self) -> None:
        stamp = _Stamp.of(self._path)
        if stamp != self._seen:
            self._seen = stamp
            if stamp is None or stamp.size <= self._at_once_bytes:
                self._read()
            else:
                threading.Thread(target=self._read, name="bifocal-keys", daemon=True).start()

    def _read(self) -> None:
        try:
            with self._reading:  # the last to read has read the latest
                self._ring = read_keys(self._path)
        except ConfigError as error:
            logger.warning("keys not read anew, the last good ones hold: %s", error)
        else:
            logger.info("keys read anew: %d", len(self._ring))


def _entries(document: Document, path: Path) -> Iterator[Any]:
    if document.data is None:  # the last key was taken out
        return iter(())
    if not isinstance(document.data, list):
        msg = f"{path}:{document.lines[()]}: not a list of keys; `bifocal key new` prints its lines"
        raise ConfigError(msg)
    return iter(document.data)


def _record(entry: Any) -> KeyRecord:
    if not isinstance(entry, dict):
        msg = "not a key; `bifocal key new` prints the line"
        raise ValueError(msg)
    if unknown := [str(key) for key in entry if key not in _FIELDS]:
        msg = f"{unknown[0][:32]}: unknown key; allowed: {', '.join(_FIELDS)}"
        raise ValueError(msg)
    team, sha256 = (entry.get(name) for name in _FIELDS[:2])
    if not isinstance(team, str) or not isinstance(sha256, str):
        msg = "team and sha256 are needed, each a text in quotes"
        raise ValueError(msg)
    expires_at, scopes = _moment(entry.get("expires")), _scopes(entry.get("scopes"))
    return KeyRecord(Team(team), sha256, expires_at, scopes)


def _scopes(found: object) -> frozenset[str]:
    if found is None:
        return frozenset()
    if not isinstance(found, list) or not all(isinstance(scope, str) for scope in found):
        msg = f"scopes: allowed: a list of {', '.join(SCOPES)}"
        raise ValueError(msg)
    return frozenset(found)


def _moment(text: object) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        msg = 'expires: allowed: a moment such as "2027-02-22T12:00:00Z"'
        raise ValueError(msg) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
