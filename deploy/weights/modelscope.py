"""ModelScope, at MODELSCOPE_DOMAIN: one repository at one commit.

Source of the requests and fields: modelscope's own `hub/api.py` and `hub/file_download.py`. It
names the sha256 of every file. A branch's commit it does not always say in full.
"""

from typing import Final
from urllib.parse import quote

import msgspec

from deploy.failure import Exit, Failure
from deploy.source import COMMIT, Source
from deploy.weights.files import Digest, Listing, RemoteFile, taken
from deploy.weights.settings import Settings
from deploy.weights.web import Origin, Web

MAX_LISTING_BYTES: Final = 16 * 1024 * 1024
_OK: Final = 200


class _File(msgspec.Struct, frozen=True, rename="pascal"):
    path: str
    type: str = "blob"
    size: int = 0
    sha256: str = ""
    revision: str = ""
    """The commit that last changed it."""


class _Committer(msgspec.Struct, frozen=True, rename="pascal"):
    id: str = ""
    short_id: str = ""


class _Data(msgspec.Struct, frozen=True, rename="pascal"):
    files: tuple[_File, ...] = ()
    latest_committer: _Committer | None = None


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    code: int
    data: _Data | None = None
    message: str = ""


def origin_of(source: Source, settings: Settings) -> Origin:
    token = settings.modelscope_token
    # Its older endpoints know the token as a cookie only.
    headers = (
        {"authorization": f"Bearer {token}", "cookie": f"m_session_id={token}"} if token else {}
    )
    return Origin(
        title=f"{source.name}@{source.revision} on {settings.modelscope}",
        address=settings.modelscope,
        headers=lambda url: headers,
        reach="another domain is named by MODELSCOPE_DOMAIN (www.modelscope.ai); what is on disk "
        "needs no hub: --offline",
        access="it is private or does not exist: set MODELSCOPE_API_TOKEN to a token that may "
        "read it",
        absent="is the name right (org/name), and the revision a branch, tag or commit of it?",
    )


async def listing(web: Web, source: Source, settings: Settings) -> Listing:
    """Raises Failure."""
    base = f"{settings.modelscope}/api/v1/models/{source.name}/repo"
    asked = quote(source.revision or "", safe="")
    content = await web.read(f"{base}/files?Revision={asked}&Recursive=True", MAX_LISTING_BYTES)
    data = _data(content, web.origin)
    commit = source.pinned or _commit(data, web.origin.title)
    blobs = [file for file in data.files if file.type != "tree"]
    names = taken((file.path for file in blobs), web.origin.title)
    url = f"{base}?Revision={commit}&FilePath="
    return Listing(commit, tuple(_file(each, url) for each in blobs if each.path in names))


def _data(content: bytes, origin: Origin) -> _Data:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except msgspec.DecodeError as error:
        what = f"{origin.title}: an answer that is no listing: {error}"
        raise Failure(Exit.FAILED, what) from None
    if answer.code != _OK or answer.data is None:
        raise Failure(Exit.FAILED, f"{origin.title}: answers {answer.code}", origin.absent)
    return answer.data


def _commit(data: _Data, title: str) -> str:
    """Of a branch: named in full, or the one among the files' that begins as its short name."""
    head = data.latest_committer or _Committer()
    if COMMIT.fullmatch(head.id):
        return head.id
    begins = {file.revision for file in data.files if COMMIT.fullmatch(file.revision)}
    found = {each for each in begins if head.short_id and each.startswith(head.short_id)}
    if len(found) != 1:
        what = f"{title}: ModelScope does not say which commit this is"
        raise Failure(Exit.FAILED, what, "pin it: --revision COMMIT, as its page of files shows")
    return found.pop()


def _file(found: _File, url: str) -> RemoteFile:
    digest = Digest("sha256", found.sha256.lower())
    return RemoteFile(found.path, found.size, digest, url + quote(found.path, safe=""))
