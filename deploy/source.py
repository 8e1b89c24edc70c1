"""Where weights come from, as a person writes it: `hf://Qwen/Qwen3-8B@main`, `./my-model`.

Pure. Whether it exists is the origin's to say.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.failure import Exit, Failure
from serving.addresses import is_loopback


class Scheme(StrEnum):
    """The kinds of origins."""

    HF = "hf"
    MODELSCOPE = "ms"
    S3 = "s3"
    WEB = "https"
    FOLDER = "folder"


COMMIT: Final = re.compile(r"[0-9a-f]{40}")
"""Of git; what a branch or a tag stands for at the moment."""
SEAL: Final = re.compile(r"[0-9a-f]{64}")
"""Of a folder whose manifest names every byte (`Manifest.seal`): a bucket's commit."""

DEFAULT_BRANCH: Final = {Scheme.HF: "main", Scheme.MODELSCOPE: "master"}

_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REPOSITORY: Final = re.compile(rf"{_WORD}/{_WORD}")
REVISION: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}"
_REVISION: Final = re.compile(REVISION)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=+-][A-Za-z0-9._=+-]*)*")
FOLDER: Final = r"[./~]"
"""How a local folder begins."""
SEALED: Final = r"(s3|https?)://"
"""How a source begins whose revision is a seal."""
WRITTEN: Final = "|".join(
    (
        rf"{FOLDER}.*",
        rf"((hf|ms)://)?{_REPOSITORY.pattern}(@{REVISION})?",
        rf"s3://{_BUCKET.pattern}/?(@{SEAL.pattern})?",
        rf"https://[^@/?#\s]+(/[^@?#\s]*)?(@{SEAL.pattern})?",
        rf"http://[^@/?#\s]+(/[^@?#\s]*)?@{SEAL.pattern}",
        r"http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/[^@?#\s]*)?",
    )
)
"""What `parse` takes, as far as a pattern can tell; for schemas."""
_ALLOWED: Final = (
    "a source is org/name, hf://org/name@revision, ms://org/name@revision, s3://bucket/prefix, "
    "https://host/folder, or a local folder that starts with ., / or ~"
)


def is_folder(source: str) -> bool:
    """Whether a model's source is a local folder and not an id of a hub."""
    return source.startswith((".", "/", "~"))


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is org/name, bucket/prefix, a URL or a folder; git always has a revision."""

    scheme: Scheme
    name: str
    revision: str | None = None

    @property
    def pinned(self) -> str | None:
        """The commit or seal, where the revision is one already."""
        git = self.scheme in (Scheme.HF, Scheme.MODELSCOPE)
        found = (COMMIT if git else SEAL).fullmatch(self.revision or "")
        return found[0] if found else None

    def __str__(self) -> str:
        prefix = "" if self.scheme in (Scheme.FOLDER, Scheme.WEB) else f"{self.scheme}://"
        return f"{prefix}{self.name}{f'@{self.revision}' if self.revision else ''}"


def parse(text: str, revision: str | None = None, hub: Scheme = Scheme.HF) -> Source:
    """`revision` is one that was given apart from the text, `hub` the one of a bare `org/name`.
    Raises Failure."""
    if is_folder(text):
        _no_revision(text, revision)
        return Source(Scheme.FOLDER, str(Path(text).expanduser().absolute()))
    if text.startswith(("https://", "http://")):
        return _web(text, revision)
    head, colon, rest = text.partition("://")
    scheme = head if colon else hub.value
    if scheme == "s3":
        return _bucket(text, rest, revision)
    if scheme not in ("hf", "ms"):
        raise Failure(Exit.BAD_INPUT, f"source: found {text!r}", _ALLOWED)
    return _repository(text, Scheme(scheme), rest if colon else text, revision)


def _repository(text: str, scheme: Scheme, rest: str, revision: str | None) -> Source:
    name, _, written = rest.partition("@")
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise Failure(Exit.BAD_INPUT, f"source: found {text!r}", _ALLOWED)
    found = _one_of(text, written or None, revision) or DEFAULT_BRANCH[scheme]
    if not _REVISION.fullmatch(found) or ".." in found:
        what = f"revision: found {found!r}; allowed: a branch, a tag or a commit"
        raise Failure(Exit.BAD_INPUT, what)
    return Source(scheme, name, found)


def _bucket(text: str, rest: str, revision: str | None) -> Source:
    name, written = _split_seal(rest.rstrip("/"))
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise Failure(Exit.BAD_INPUT, f"source: found {text!r}", _ALLOWED)
    return Source(Scheme.S3, name, _seal(text, written, revision))


def _web(text: str, revision: str | None) -> Source:
    url, written = _split_seal(text.rstrip("/"))
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        what = f"source: found {parts._replace(netloc=parts.hostname or '').geturl()!r}"
        raise Failure(Exit.BAD_INPUT, what, "a web source has no user, no query and no fragment")
    seal = _seal(text, written, revision)
    if parts.scheme == "http" and seal is None and not is_loopback(parts.hostname):
        what = f"source: {url} is not encrypted, so anyone on the way could change its weights"
        raise Failure(Exit.BAD_INPUT, what, "use https, or pin it: --revision SEAL")
    return Source(Scheme.WEB, url, seal)


def _split_seal(text: str) -> tuple[str, str | None]:
    name, at, last = text.rpartition("@")
    return (name, last) if at and "/" not in last else (text, None)


def _seal(text: str, written: str | None, revision: str | None) -> str | None:
    found = _one_of(text, written, revision)
    if found is not None and not SEAL.fullmatch(found):
        what = f"revision: found {found!r}; allowed here: the seal, 64 hexadecimal digits"
        raise Failure(Exit.BAD_INPUT, what, "`bifocal weights seal FOLDER` prints it")
    return found


def _one_of(text: str, written: str | None, given: str | None) -> str | None:
    if written and given and written != given:
        what = f"source: {text!r} names a revision, and another one is given: {given!r}"
        raise Failure(Exit.BAD_INPUT, what, "name it once")
    return given or written


def _no_revision(text: str, revision: str | None) -> None:
    if revision is not None:
        what = f"revision: {text!r} is a folder, which has no revisions"
        raise Failure(Exit.BAD_INPUT, what)
