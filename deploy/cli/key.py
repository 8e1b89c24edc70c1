"""`bifocal key`: make API keys."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from deploy.cli.inputs import Json
from deploy.config import ConfigError
from deploy.failure import Exit, Failure
from deploy.keys import keys_in, line_of
from deploy.reading import UnreadableFile, text_of
from serving.config import Seconds
from serving.keys import NewKey, new_key

app = typer.Typer(
    help="Make API keys.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

_EXAMPLES = """\b
Examples:
  bifocal key new --team search
  bifocal key new --team search --expires 90d --file keys.yaml
  KEY=$(bifocal key new --team ci --file keys.yaml)
"""


@app.callback()
def _group() -> None:
    """Make API keys."""  # so that `new` stays a word of its own while it is the only one


@app.command("new", epilog=_EXAMPLES)
def new(
    team: Annotated[str, typer.Option(help="Whose it is: a-z, 0-9 and -, at most 32.")],
    expires: Annotated[
        str | None, typer.Option(help="How long it is good: 12h, 90d.  [default: for ever]")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Add the line to this file (`gateway.keys`) and print the key alone."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a new key, this once, and the line with its hash for the file of keys.

    A running gateway takes the line up within seconds; to revoke the key, delete its line.
    """
    try:
        key = new_key(team, _seconds(expires), time.time())
    except ValueError as error:
        raise Failure(Exit.BAD_INPUT, f"--team: found {team!r}; {error}") from None
    if file is not None:
        _add(line_of(key.record), file)
    typer.echo(_shown(key, with_line=file is None, as_json=as_json))


def _shown(key: NewKey, *, with_line: bool, as_json: bool) -> str:
    line = line_of(key.record)
    if as_json:
        return json.dumps({"key": key.secret, "team": key.record.team, "line": line})
    return f"{key.secret}\n{line}" if with_line else key.secret


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return TypeAdapter(Seconds).validate_python(text)
    except ValidationError:
        what = f"--expires: found {text!r}; allowed: a number with a unit, such as 12h or 90d"
        raise Failure(Exit.BAD_INPUT, what) from None


def _add(line: str, file: Path) -> None:
    """One write to the end, so that a reader sees it whole; a new file is the owner's alone.

    Nothing is added to a file that is no list of good keys: a gateway would refuse it whole.
    """
    _check(line, file)
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "rb+", buffering=0) as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - 1))
            broken = end > 0 and stream.read(1) != b"\n"
            stream.write(f"{chr(10) if broken else ''}{line}\n".encode())
    except OSError as error:
        what = f"--file: {file} cannot be written: {error.strerror}"
        raise Failure(Exit.BAD_INPUT, what) from None


def _check(line: str, file: Path) -> None:
    """What is there must be keys, and with the line still be."""
    if not file.exists():
        return
    try:
        text = text_of(file)
        keys_in(text, file)
        keys_in(f"{text}\n{line}\n", file)
    except (ConfigError, UnreadableFile) as error:
        what = f"--file: no key was added:\n{error}"
        remedy = "mend it so that every line is one that `bifocal key new` prints"
        raise Failure(Exit.BAD_INPUT, what, remedy) from None
