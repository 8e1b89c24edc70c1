"""Folders of weights looked at: against their manifest, or made one for."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.failure import Exit, Failure
from deploy.weights import lock, manifest
from deploy.weights.files import MANIFEST, Hasher, is_taken, need_weights, taken
from deploy.weights.manifest import Entry, Manifest
from deploy.weights.part import hash_file

_OURS: Final = frozenset({MANIFEST, lock.FILE_NAME})
_READERS: Final = 4
"""Files hashed at once: one core does 1 to 2 GB/s with SHA instructions, a good disk more."""
_INDEX: Final = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Verified:
    """`problems` is empty when every byte is as the manifest says."""

    folder: Path
    manifest: Manifest
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """Without a manifest it is not finished, or there is a problem with it."""

    folder: Path
    manifest: Manifest | None
    problem: str | None = None


def verify(folder: Path) -> Verified:
    """Reads every byte. Raises Failure when there is no manifest to go by."""
    found = manifest.read(folder)
    if found is None:
        what = f"{folder} has no {MANIFEST}, so there is nothing to check it against"
        remedy = "`bifocal weights pull` fetches a checked one, `bifocal weights seal` trusts this"
        raise Failure(Exit.BAD_INPUT, what, remedy)
    problems = [*_wrong(folder, found.files), *_extra(folder, found), *unfinished(folder)]
    return Verified(folder, found, tuple(problems))


def misfits(folder: Path, found: Manifest) -> list[str]:
    """What is missing or of another size: a look that reads no content."""
    return [f"{e.name}: {said}" for e in found.files if (said := _misfit(folder / e.name, e))]


def seal(folder: Path) -> Manifest:
    """Writes the manifest of a folder as it is now. Raises Failure."""
    require_folder(folder)
    names = sorted(path.name for path in folder.iterdir() if is_taken(path.name))
    taken(names, str(folder))
    if problems := unfinished(folder):
        raise Failure(Exit.FAILED, f"{folder}: {problems[0]}")
    before = manifest.read(folder)
    files = tuple(_entry(folder / name) for name in names)
    if before is not None and before.files == files:
        return before
    sealed = Manifest("folder", folder.absolute().name, None, manifest.seal_of(files), files)
    manifest.write(folder, sealed)
    return sealed


def listed(root: Path) -> Iterator[Listed]:
    """Every folder of weights under the root; a broken manifest hides no other."""
    for at, folders, files in os.walk(root):
        folder = Path(at)
        if _OURS & set(files):
            folders.clear()
            yield _looked_at(folder)


def _looked_at(folder: Path) -> Listed:
    try:
        return Listed(folder, manifest.read(folder))
    except Failure as error:
        return Listed(folder, None, error.what)


def unfinished(folder: Path) -> list[str]:
    """Shards that the folder's index names and that are not there."""
    try:
        index: Any = msgspec.json.decode((folder / _INDEX).read_bytes())
        named = set(index["weight_map"].values())
    except FileNotFoundError:
        return []
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return [f"{_INDEX}: no index of shards"]
    here = {path.name for path in folder.iterdir()}
    return [f"{name}: named by {_INDEX}, and missing" for name in sorted(map(str, named - here))]


def require_folder(folder: Path) -> None:
    """Raises Failure for what an engine could not start from."""
    if not folder.is_dir():
        raise Failure(Exit.BAD_INPUT, f"{folder} is no folder")
    if not (folder / "config.json").is_file():
        raise Failure(Exit.BAD_INPUT, f"{folder} has no config.json, so it is no model's folder")
    need_weights([path.name for path in folder.iterdir()], str(folder))


def _wrong(folder: Path, files: tuple[Entry, ...]) -> Iterator[str]:
    with ThreadPoolExecutor(_READERS) as readers:
        said = readers.map(lambda entry: _content_problem(folder / entry.name, entry), files)
        yield from (f"{entry.name}: {why}" for entry, why in zip(files, said, strict=True) if why)


def _content_problem(path: Path, entry: Entry) -> str | None:
    if said := _misfit(path, entry):
        return said
    found = _entry(path).sha256
    return None if found == entry.sha256 else f"expected sha256 {entry.sha256}, found {found}"


def _misfit(path: Path, entry: Entry) -> str | None:
    if path.is_symlink():
        return "a link"
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    return None if size == entry.size else f"expected {entry.size:,} bytes, found {size:,}"


def _extra(folder: Path, found: Manifest) -> Iterator[str]:
    """An engine reads what lies there, whether it was brought or not."""
    known = _OURS | {entry.name for entry in found.files}
    for path in sorted(folder.iterdir()):
        if path.name not in known and not path.name.startswith("."):
            yield f"{path.name}: not in the manifest"


def _entry(path: Path) -> Entry:
    size = path.stat().st_size
    hasher = Hasher(size)
    hash_file(path, hasher)
    return Entry(path.name, size, hasher.sha256)
