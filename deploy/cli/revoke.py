"""Takes an API key back: its line out of the file of keys, and the word to the gateways.

The word is quick: on Kubernetes a gateway's file lags up to a minute or more behind the Secret.
The line is what lasts: gateways forget the word after 90 days.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.cli.reach import Installed, is_ours
from deploy.config import ConfigError
from deploy.failure import Exit, Failure
from deploy.keys import alone, keys_in
from deploy.reading import UnreadableFile, text_of
from serving.keys import PREFIX, KeyRecord, digest

ENTRY: Final = "keys.yaml"
FEWEST: Final = 8
"""Characters of a hash that name a key, so that one that is mistyped names none."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of keys without one."""

    text: str
    record: KeyRecord


def id_of(given: str) -> str:
    """An id as it was given, or that of the key itself. Raises Failure."""
    text = given.strip()
    if text.startswith(PREFIX):
        return digest(text)
    if len(text) < FEWEST or not set(text) <= set("0123456789abcdef"):
        what = "ID: allowed: 8 to 64 of 0-9, a-f, as the file of keys has them in sha256"
        raise Failure(Exit.BAD_INPUT, what, "or `-`, with the key itself on standard input")
    return text


def from_file(file: Path, id: str) -> KeyRecord:
    """Raises Failure."""
    try:
        with alone(file):
            taken = without(text_of(file), id, file)
            _replace(file.resolve(), taken.text)
    except UnreadableFile as error:
        raise Failure(Exit.BAD_INPUT, f"--file: {error}") from None
    except OSError as error:
        what = f"--file: {file} cannot be written: {error.strerror}"
        raise Failure(Exit.BAD_INPUT, what) from None
    return taken.record


def _replace(file: Path, text: str) -> None:
    """Whole or not at all: a gateway may read it at any moment."""
    draft = file.with_name(f"{file.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, file.stat().st_mode & 0o777)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    draft.replace(file)


def from_secret(installed: Installed, id: str) -> str | None:
    """Why it was not taken out, if so."""
    if installed.keys is None:
        return "the gateway has no keys"
    try:
        secret = installed.kubectl.json("get", "secret", installed.keys)
        if not is_ours(secret):
            return (
                f"the Secret {installed.keys} is not the chart's: take its line out at its source"
            )
        text = base64.b64decode(secret["data"][ENTRY]).decode()
        taken = without(text, id, Path(f"{installed.keys}/{ENTRY}"))
        _put(installed, secret, taken.text)
    except Failure as error:
        return error.what
    return None


def _put(installed: Installed, secret: dict[str, Any], text: str) -> None:
    """By the version that was read, so that a key which someone adds meanwhile is not lost."""
    patch = {
        "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
        "data": {ENTRY: base64.b64encode(text.encode()).decode()},
    }
    name = secret["metadata"]["name"]
    installed.kubectl.run(
        "patch", "secret", name, "--type", "merge", "--patch-file", "/dev/stdin",
        given=json.dumps(patch),
    )  # fmt: skip


def without(text: str, id: str, file: Path) -> Taken:
    """Raises Failure where no key, or not one alone, begins with the id."""
    try:
        found = keys_in(text, file).starting(id)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
    if len(found) != 1:
        what = f"{file}: the sha256 of {len(found) or 'no'} keys begins with {id}"
        raise Failure(Exit.BAD_INPUT, what, "give more of it" if found else None)
    (record,) = found
    lines = text.splitlines(keepends=True)
    left = "".join(line for line in lines if record.sha256 not in line)
    _check(text, left, record, file)
    return Taken(left, record)


def _check(text: str, left: str, record: KeyRecord, file: Path) -> None:
    """A key may be written over several lines by hand; then a person must take it out."""
    try:
        before, after = keys_in(text, file), keys_in(left, file)
    except ConfigError:
        after = None
    if after is None or len(after) != len(before) - 1 or after.starting(record.sha256):
        what = f"{file}: the key {record.id} is not on a line of its own"
        raise Failure(Exit.BAD_INPUT, what, "take it out by hand")
