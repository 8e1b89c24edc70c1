"""Which of an origin's files are taken: what an engine reads, and nothing that runs.

Pure. Names from an origin are untrusted: a name is one plain word in the folder itself, so that
no file lands elsewhere. Pickled weights (`*.bin`, `*.pt`) and Python are never taken, since
loading them runs them.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from deploy.failure import Exit, Failure

MANIFEST: Final = "bifocal-weights.json"
"""Ours, so never taken from an origin."""
MAX_FILES: Final = 10_000
"""Of a listing. Qwen3-235B-A22B has 118 shards and a dozen small files."""
_TAKEN: Final = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "tokenizer.model", "LICENSE")
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack", "*.gguf")
_DIGITS: Final = {"sha256": r"[0-9a-f]{64}", "git-sha1": r"[0-9a-f]{40}"}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class Digest:
    """What the origin says of a file's content: Git LFS names its sha256, git a sha1 of its own."""

    algorithm: Literal["sha256", "git-sha1"]
    hex: str

    def __post_init__(self) -> None:
        if not re.fullmatch(_DIGITS[self.algorithm], self.hex):
            raise Failure(Exit.FAILED, f"no {self.algorithm} digest: {self.hex!r:.80}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """`size` in bytes."""

    name: str
    size: int
    digest: Digest
    url: str

    def __post_init__(self) -> None:
        if self.size < 0:
            raise Failure(Exit.FAILED, f"{self.name}: listed with {self.size} bytes")


@dataclass(frozen=True, slots=True)
class Listing:
    """What an origin holds at one commit, as far as it is taken."""

    commit: str
    files: tuple[RemoteFile, ...]
    upstream: str | None = None
    """Where a mirror has it from."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class Hasher:
    """The digests of a file of a known size, as its bytes come by."""

    def __init__(self, size: int, *, git: bool = False) -> None:
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if git else None

    @classmethod
    def of(cls, file: RemoteFile) -> "Hasher":
        return cls(file.size, git=file.digest.algorithm == "git-sha1")

    def update(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        if self._git is not None:
            self._git.update(data)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def hex(self) -> str:
        """By the algorithm that the origin names."""
        return self.sha256 if self._git is None else self._git.hexdigest()


def is_taken(name: str) -> bool:
    """Whether an engine reads it. Folders inside a repository hold other forms of the model."""
    return "/" not in name and name != MANIFEST and any(fnmatchcase(name, kind) for kind in _TAKEN)


def is_safe(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def taken(names: Iterable[str], where: str) -> frozenset[str]:
    """Raises Failure for a listing that is too long, leads out of the folder, or has no weights."""
    listed = list(names)
    if len(listed) > MAX_FILES:
        what = f"{where} lists {len(listed):,} files; at most {MAX_FILES:,} are taken"
        raise Failure(Exit.FAILED, what)
    for name in listed:
        if _leads_out(name) or (is_taken(name) and not is_safe(name)):
            raise Failure(Exit.FAILED, f"{where} lists {name!r}, which is no name for a file here")
    found = frozenset(filter(is_taken, listed))
    if len(found) != sum(map(is_taken, listed)):
        raise Failure(Exit.FAILED, f"{where} lists a file twice")
    need_weights(listed, where)
    return found


def _leads_out(name: str) -> bool:
    return (
        not name
        or name.startswith("/")
        or "\\" in name
        or "\0" in name
        or (".." in name.split("/"))
    )


def need_weights(listed: list[str], where: str) -> None:
    """Raises Failure, and names what there is instead."""
    if any(is_taken(name) and name.endswith(".safetensors") for name in listed):
        return
    refused = [n for n in listed if any(fnmatchcase(n, kind) for kind in _PICKLES)][:3]
    seen = f", only {', '.join(refused)}" if refused else ""
    what = f"{where} has no *.safetensors in its top folder{seen}"
    remedy = "only safetensors are taken: other forms can run code when they are loaded"
    raise Failure(Exit.FAILED, what, remedy)
