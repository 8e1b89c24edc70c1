"""`bifocal-weights.json`: what a finished folder holds, byte for byte, and where it is from.

It is written last, so a folder that has it is whole. A mirror that serves it needs no listing of
its own: its name for the content is the seal, a digest of every file's digest.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.failure import Exit, Failure
from deploy.weights.files import MANIFEST, taken

MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """`size` in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`commit` is git's, or the seal where there is no git."""

    origin: str
    repository: str
    revision: str | None
    """As it was asked for: a branch, a tag; it may have moved since."""
    commit: str
    files: tuple[Entry, ...]
    upstream: str | None = None
    """Where a mirror has it from."""
    version: int = 1

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def seal(self) -> str:
        return seal_of(self.files)

    @property
    def title(self) -> str:
        scheme = "" if "://" in self.repository else f"{self.origin}://"
        return f"{scheme}{self.repository}@{self.commit}"


def seal_of(files: Iterable[Entry]) -> str:
    """One digest for all: of the lines `sha256 size name`, by name."""
    lines = (f"{file.sha256} {file.size} {file.name}\n" for file in sorted(files, key=_name))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _name(entry: Entry) -> str:
    return entry.name


def decode(content: bytes, where: str) -> Manifest:
    """Raises Failure for what is none, or names files that are not taken."""
    try:
        found = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise Failure(Exit.FAILED, f"{where} is no manifest of weights: {error}") from None
    if found.version != 1:
        what = f"{where} is of version {found.version}; this bifocal reads version 1"
        raise Failure(Exit.FAILED, what)
    if len(taken((file.name for file in found.files), where)) != len(found.files):
        raise Failure(Exit.FAILED, f"{where} names files that are not taken")
    return found


def read(folder: Path) -> Manifest | None:
    """None where there is none. Raises Failure for one that is broken."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return decode(file.read(MAX_BYTES), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(Exit.FAILED, f"{path} cannot be read: {error.strerror}") from None


def write(folder: Path, manifest: Manifest) -> None:
    """Whole or not at all."""
    draft = folder / f"{MANIFEST}.part"
    encoded: Any = msgspec.json.encode(manifest)
    with draft.open("wb") as file:
        file.write(msgspec.json.format(encoded, indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / MANIFEST)
