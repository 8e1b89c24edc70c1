"""Weights brought to this node, once: resolved to a commit, downloaded, checked, and told where.

A finished folder is found by its manifest, without a network where the commit is pinned.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deploy.failure import Exit, Failure
from deploy.source import Scheme, Source
from deploy.weights import check, hub, manifest, modelscope, sealed
from deploy.weights.download import Downloader, Tally
from deploy.weights.files import MANIFEST, Listing
from deploy.weights.lock import only_one
from deploy.weights.manifest import Manifest
from deploy.weights.part import PARTS
from deploy.weights.settings import Settings
from deploy.weights.web import Web, open_session

_ROOMS: Final = {
    Scheme.HF: (hub.origin_of, hub.listing),
    Scheme.MODELSCOPE: (modelscope.origin_of, modelscope.listing),
    Scheme.S3: (sealed.origin_of, sealed.listing),
    Scheme.WEB: (sealed.origin_of, sealed.listing),
}


def _nobody(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told: `says` a line, `progress` the bytes on disk and the bytes in all."""

    says: Callable[[str], None] = _nobody
    progress: Callable[[int, int], None] = _nobody


@dataclass(frozen=True, slots=True)
class Pulled:
    """`downloaded` is what came over the network, in bytes; a manifest of None is a folder that
    nobody sealed."""

    folder: Path
    manifest: Manifest | None
    downloaded: int = 0


async def pull(
    source: Source,
    settings: Settings,
    *,
    to: Path | None = None,
    recheck: bool = False,
    told: Told = Told(),
) -> Pulled:
    """The folder, finished. `recheck` reads what is on disk already, too. Raises Failure."""
    if source.scheme is Scheme.FOLDER:
        return _local(Path(source.name), recheck=recheck)
    if settings.offline:
        return _on_disk(source, settings, to)
    if source.pinned and not recheck:
        folder = to or _folder(source, source.pinned, settings)
        if (found := _finished(folder, source, source.pinned)) is not None:
            return Pulled(folder, found)
    return await _from_origin(source, settings, to, recheck, told)


async def commit_of(source: Source, settings: Settings) -> str:
    """That its revision stands for now; of a bucket or a web folder, its seal. Raises Failure."""
    if source.pinned:
        return source.pinned
    if settings.offline:
        found = _on_disk(source, settings, None).manifest
        return found.commit if found else ""
    async with _asked(source, settings, _nobody) as (_, listing):
        return listing.commit


@asynccontextmanager
async def _asked(
    source: Source, settings: Settings, says: Callable[[str], None]
) -> AsyncIterator[tuple[Web, Listing]]:
    """What the origin has, and the way to it."""
    origin_of, list_files = _ROOMS[source.scheme]
    async with open_session(settings.idle_s) as session:
        web = Web(session, origin_of(source, settings), settings.backoff_s, says)
        yield web, await list_files(web, source, settings)


async def _from_origin(
    source: Source, settings: Settings, to: Path | None, recheck: bool, told: Told
) -> Pulled:
    async with _asked(source, settings, told.says) as (web, listing):
        if source.pinned is None:
            told.says(f"{source} is {listing.commit} now; pin it: --revision {listing.commit}")
        folder = to or _folder(source, listing.commit, settings)
        async with only_one(folder, told.says):
            found = None if recheck else _finished(folder, source, listing.commit)
            if found is not None:
                return Pulled(folder, _also(folder, found, source))
            return await _filled(web, folder, source, listing, told)


async def _filled(web: Web, folder: Path, source: Source, listing: Listing, told: Told) -> Pulled:
    """The manifest goes first and comes last: a folder without one is not finished."""
    _refuse_another(folder, source, listing.commit)
    (folder / MANIFEST).unlink(missing_ok=True)
    tally = Tally(listing.size, told.progress)
    entries = await Downloader(web, folder, tally).all(listing.files)
    if problems := check.unfinished(folder):
        raise Failure(Exit.FAILED, f"{web.origin.title} is not whole: {problems[0]}")
    written = Manifest(
        source.scheme,
        source.name,
        source.revision,
        listing.commit,
        tuple(sorted(entries, key=lambda entry: entry.name)),
        listing.upstream,
    )
    _finish(folder, written)
    return Pulled(folder, written, tally.downloaded)


def _finish(folder: Path, written: Manifest) -> None:
    """Parts of other content are left from a source that has changed. The folder may be a person's
    own, with other files that are called a part."""
    for stale in folder.glob(PARTS):
        stale.unlink()
    manifest.write(folder, written)


def _finished(folder: Path, source: Source, commit: str) -> Manifest | None:
    """The manifest of a folder that holds this commit, every file of the right size."""
    found = manifest.read(folder)
    if found is None or (found.repository, found.commit) != (source.name, commit):
        return None
    return None if check.misfits(folder, found) else found


def _also(folder: Path, found: Manifest, source: Source) -> Manifest:
    """The branch that has led here, so that it is found without a network, too."""
    if source.pinned or found.revision == source.revision:
        return found
    found = replace(found, revision=source.revision)
    manifest.write(folder, found)
    return found


def _refuse_another(folder: Path, source: Source, commit: str) -> None:
    found = manifest.read(folder)
    if found is not None and (found.repository, found.commit) != (source.name, commit):
        what = f"{folder} holds {found.title}, which is not {source.name}@{commit}"
        raise Failure(Exit.BAD_INPUT, what, "choose another folder, or remove this one")


def _folder(source: Source, commit: str, settings: Settings) -> Path:
    """`hf/Qwen/Qwen3-8B/COMMIT`; a URL's slashes are no folders."""
    name = source.name
    if source.scheme is Scheme.WEB:
        name = name.partition("://")[2].replace("/", "_")
    return settings.root / source.scheme / name / commit


def _local(folder: Path, *, recheck: bool) -> Pulled:
    check.require_folder(folder)
    found = manifest.read(folder)
    problems = check.unfinished(folder)
    if found is not None:
        problems += check.verify(folder).problems if recheck else check.misfits(folder, found)
    if problems:
        raise Failure(Exit.FAILED, f"{folder}: {problems[0]}")
    return Pulled(folder, found)


def _on_disk(source: Source, settings: Settings, to: Path | None) -> Pulled:
    """Of several commits that a branch has stood for, the one that was brought last."""
    at = to or _folder(source, "", settings)
    known = [(each.folder, each.manifest) for each in check.listed(at) if each.manifest]
    fits = [
        folder
        for folder, found in known
        if found.repository == source.name
        and source.revision in (found.commit, found.revision)
        and not check.misfits(folder, found)
    ]
    if not fits:
        what = f"{source} is not on this disk (looked at {at}), and the network is not asked"
        remedy = "`bifocal weights list` shows what is; else leave --offline and HF_HUB_OFFLINE"
        raise Failure(Exit.FAILED, what, remedy)
    newest = max(fits, key=lambda folder: (folder / MANIFEST).stat().st_mtime)
    return Pulled(newest, manifest.read(newest))
