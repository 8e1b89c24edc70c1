"""Hugging Face, and whatever speaks like it at HF_ENDPOINT: one repository at one commit."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from deploy.failure import Exit, Failure
from deploy.source import COMMIT, Source
from deploy.weights.files import Digest, Listing, RemoteFile, taken
from deploy.weights.settings import Settings
from deploy.weights.web import Origin, Web

MAX_LISTING_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Lfs:
    sha256: str
    size: int


class _Sibling(msgspec.Struct, frozen=True, rename="camel"):
    rfilename: str
    size: int | None = None
    blob_id: str | None = None
    lfs: _Lfs | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    sha: str
    siblings: tuple[_Sibling, ...]


def origin_of(source: Source, settings: Settings) -> Origin:
    token = settings.hub_token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return Origin(
        title=f"{source.name}@{source.revision} on {settings.hub}",
        address=settings.hub,
        headers=lambda url: headers,
        reach="a mirror is named by HF_ENDPOINT=https://...; what is on disk needs no hub: "
        "--offline, or `bifocal weights list`",
        access=f"it is gated, private or does not exist: accept its terms at "
        f"{settings.hub}/{source.name}, and set HF_TOKEN to a token that may read it"
        + (" (the one that is set may not)" if token else ""),
        absent="is the name right (org/name), and the revision a branch, tag or commit of it?",
    )


async def listing(web: Web, source: Source, settings: Settings) -> Listing:
    """Raises Failure."""
    asked = quote(source.revision or "", safe="")
    url = f"{settings.hub}/api/models/{source.name}/revision/{asked}?blobs=true"
    answer = _decoded(await web.read(url, MAX_LISTING_BYTES), web.origin.title)
    if not COMMIT.fullmatch(answer.sha) or source.pinned not in (None, answer.sha):
        raise Failure(Exit.FAILED, f"{web.origin.title}: answers with commit {answer.sha!r:.60}")
    names = taken((each.rfilename for each in answer.siblings), web.origin.title)
    base = f"{settings.hub}/{source.name}/resolve/{answer.sha}"
    files = (
        _file(each, base, web.origin.title) for each in answer.siblings if each.rfilename in names
    )
    return Listing(answer.sha, tuple(files))


def _decoded(content: bytes, title: str) -> _Answer:
    try:
        return msgspec.json.decode(content, type=_Answer)
    except msgspec.DecodeError as error:
        raise Failure(Exit.FAILED, f"{title}: an answer that is no listing: {error}") from None


def _file(found: _Sibling, base: str, title: str) -> RemoteFile:
    url = f"{base}/{quote(found.rfilename)}"
    if found.lfs is not None:
        digest = Digest("sha256", found.lfs.sha256)
        return RemoteFile(found.rfilename, found.lfs.size, digest, url)
    if found.size is None or found.blob_id is None:
        raise Failure(Exit.FAILED, f"{title}: no size or no digest of {found.rfilename}")
    return RemoteFile(found.rfilename, found.size, Digest("git-sha1", found.blob_id), url)
