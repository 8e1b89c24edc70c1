"""The archive: files in memory, bounded, listed, and written whole or not at all."""

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1024**2
LIST: Final = "contents.txt"


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in it, and what had no room."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(len(entry.data) for entry in self.entries)

    def lines(self) -> Iterator[str]:
        for entry in self.entries:
            yield f"{len(entry.data):>10}  {entry.name}"
        for name in self.left_out:
            yield f"{'no room':>10}  {name}"


def bounded(entries: Iterable[Entry], limit: int) -> Contents:
    """In their order, as far as there is room; what tells most comes first. A file that is too
    large loses its start."""
    kept: list[Entry] = []
    left_out: list[str] = []
    room = limit
    for entry in entries:
        if room <= 0:
            left_out.append(entry.name)
            continue
        data = entry.data[-room:]
        kept.append(Entry(entry.name, data))
        room -= len(data)
    return Contents(tuple(kept), tuple(left_out))


def write(contents: Contents, file: Path, folder: str, now: float) -> int:
    """For its owner alone; the bytes that it has. Raises OSError."""
    listing = "".join(f"{line}\n" for line in contents.lines()).encode()
    draft = file.with_name(f"{file.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with (
            os.fdopen(handle, "wb") as stream,
            tarfile.open(fileobj=stream, mode="w:gz") as archive,
        ):
            for entry in (Entry(LIST, listing), *contents.entries):
                info = tarfile.TarInfo(f"{folder}/{entry.name}")
                info.size, info.mtime, info.mode = len(entry.data), int(now), 0o600
                archive.addfile(info, io.BytesIO(entry.data))
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return file.stat().st_size
