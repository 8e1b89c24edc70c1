"""A file on its way: `NAME.DIGEST.part`, which becomes `NAME` once its bytes are the right ones.

The digest in the name is the expected one, so a part is never continued with other content. What
is on disk already is hashed again before it is continued: a disk can lie, too.
"""

import os
from pathlib import Path
from typing import Final

from deploy.failure import Exit, Failure
from deploy.weights.files import Hasher, RemoteFile

PARTS: Final = f"*.{'[0-9a-f]' * 12}.part"
"""All of a folder's; see `part_path`."""
_BLOCK: Final = 4 * 1024 * 1024


class Part:
    """Its methods read and write the disk: call them from a thread. OSError comes through."""

    def __init__(self, folder: Path, file: RemoteFile) -> None:
        self.file = file
        self.path = part_path(folder, file)
        self._final = folder / file.name
        self._handle = _open(self.path)
        self.size = 0
        self.etag = ""
        """Of the answer from which the last bytes are."""
        self._hasher = Hasher.of(file)

    def resume(self) -> None:
        """Reads what an earlier run has left."""
        if os.fstat(self._handle).st_size > self.file.size:
            self.restart()
        while block := os.read(self._handle, _BLOCK):
            self._hasher.update(block)
            self.size += len(block)

    def append(self, data: bytes | bytearray) -> None:
        """Raises Failure when the file grows beyond what the origin said."""
        if self.size + len(data) > self.file.size:
            self.restart()
            what = f"{self.file.url} sends more than the {self.file.size:,} bytes that were listed"
            raise Failure(Exit.FAILED, what)
        view = memoryview(data)
        while view:
            written = os.write(self._handle, view)
            self._hasher.update(view[:written])
            self.size += written
            view = view[written:]

    def restart(self) -> None:
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self.size = 0
        self._hasher = Hasher.of(self.file)

    @property
    def found(self) -> str:
        """The digest of what is there, by the origin's algorithm."""
        return self._hasher.hex

    @property
    def is_right(self) -> bool:
        return self.size == self.file.size and self.found == self.file.digest.hex

    def finish(self) -> str:
        """Its sha256, once it is safely on the disk under its own name."""
        os.fsync(self._handle)
        self.path.replace(self._final)
        return self._hasher.sha256

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self._handle)


def part_path(folder: Path, file: RemoteFile) -> Path:
    return folder / f"{file.name}.{file.digest.hex[:12]}.part"


def kept(folder: Path, file: RemoteFile) -> str | None:
    """The sha256 of a file that is there already and right; a wrong one is removed."""
    path = folder / file.name
    hasher = Hasher.of(file)
    try:
        if path.is_symlink() or path.stat().st_size != file.size:
            path.unlink()
            return None
        hash_file(path, hasher)
    except FileNotFoundError:
        return None
    if hasher.hex == file.digest.hex:
        return hasher.sha256
    path.unlink()
    return None


def hash_file(path: Path, hasher: Hasher) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            hasher.update(block)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o644)
