"""`bifocal key`: make API keys, and take them back."""

import json
import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url, seconds_of
from deploy.cli.orders import confirmed, ordered
from deploy.cli.reach import Installed, Reached, entered, installed, one_service, reached
from deploy.cli.revoke import from_file, from_secret, id_of
from deploy.config import ConfigError
from deploy.failure import Exit, Failure
from deploy.keys import alone, keys_in, line_of
from deploy.kubectl import Kubectl
from deploy.reading import UnreadableFile, text_of
from serving.keys import ID_CHARS, METRICS, OPERATE, NewKey, new_key

app = typer.Typer(
    help="Make API keys, and take them back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Scope(StrEnum):
    OPERATE = OPERATE
    METRICS = METRICS


_EXAMPLES = """\b
Examples:
  bifocal key new --team search
  bifocal key new --team search --expires 90d --file keys.yaml
  KEY=$(bifocal key new --team ci --file keys.yaml)
"""


_REVOKE_EXAMPLES = """\b
Examples:
  bifocal key revoke 3fa9c1d20b44 --context prod --namespace bifocal
  bifocal key revoke 3fa9c1d20b44 --file keys.yaml
  echo $LOST_KEY | bifocal key revoke -
"""
REMINDER = "gateways forget the word after 90 days: take its line out of the file of keys"


@app.callback()
def _group() -> None:
    """Make API keys, and take them back."""


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
    scope: Annotated[
        Scope | None,
        typer.Option(help="`operate`: the service, too; `metrics`: read these and nothing else."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a new key, this once, and the line with its hash for the file of keys.

    A running gateway takes the line up within seconds. `bifocal key revoke` takes it back.
    """
    seconds = seconds_of("--expires", expires)
    try:
        key = new_key(team, seconds, time.time(), scopes=() if scope is None else (scope,))
    except ValueError as error:
        raise Failure(Exit.BAD_INPUT, f"--team: found {team!r}; {error}") from None
    if file is not None:
        _add(line_of(key.record), file)
    typer.echo(_shown(key, with_line=file is None, as_json=as_json))


@app.command("revoke", epilog=_REVOKE_EXAMPLES)
def revoke(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The first 8 or more characters of its sha256; `-` reads the key itself.",
        ),
    ],
    file: Annotated[
        Path | None, typer.Option(help="Take its line out of this file (`gateway.keys`).")
    ] = None,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
) -> None:
    """Take a key back: from now on it is refused, while answers under way are finished.

    With --file alone its line goes, and gateways that read this file refuse the key within two
    seconds. Else the gateways are told, which needs an operator's key, and all of them refuse it at
    once; with --context the line goes from the chart's Secret, too, even where no gateway can be
    reached.
    """
    one_service(url, context, namespace, release)
    short = id_of(sys.stdin.read() if id == "-" else id)
    if file is not None:
        record = from_file(file, short)
        typer.echo(f"{record.team} {record.id}: its line is gone from {file}")
        short = record.sha256
    if context is not None:
        _in_cluster(installed(Kubectl(context, namespace), release), key, short)
    elif file is None or url or key:
        with reached(url, key) as service:
            _tell(service, short)
        if file is None:
            typer.echo(REMINDER)


def _tell(service: Reached, id: str) -> None:
    report = ordered(service, "key", {"revoke": id})
    typer.echo(f"{id[:ID_CHARS]} is refused: {confirmed(report)}")


def _in_cluster(there: Installed, key: str | None, id: str) -> None:
    """The line is what lasts, so it goes though no gateway may be there to be told."""
    try:
        with entered(there, key) as service:
            _tell(service, id)
    except Failure as error:
        raise _untold(error, there, id) from None
    if not _is_taken(there, id):
        typer.echo(REMINDER, err=True)


def _untold(error: Failure, there: Installed, id: str) -> Failure:
    if error.code is not Exit.NOT_RUNNING:
        then = f"nothing is taken back, and the Secret {there.keys} is as it was"
    elif _is_taken(there, id):
        then = "those that run refuse the key once the Secret reaches them, in a minute or two"
    else:
        then = "nothing is taken back"
    return Failure(error.code, f"{error.what}; no gateway was told: {then}", error.remedy)


def _is_taken(there: Installed, id: str) -> bool:
    """Its line, out of the Secret."""
    why_not = from_secret(there, id)
    is_taken = why_not is None
    typer.echo(why_not or f"its line is gone from the Secret {there.keys}", err=not is_taken)
    return is_taken


def _shown(key: NewKey, *, with_line: bool, as_json: bool) -> str:
    line = line_of(key.record)
    if as_json:
        made = {"key": key.secret, "team": key.record.team, "id": key.record.id, "line": line}
        return json.dumps(made)
    return f"{key.secret}\n{line}" if with_line else key.secret


def _add(line: str, file: Path) -> None:
    """One write to the end, so that a reader sees it whole; a new file is the owner's alone.

    Nothing is added to a file that is no list of good keys: a gateway would refuse it whole.
    """
    try:
        with alone(file):
            _check(line, file)
            _append(line, file)
    except OSError as error:
        what = f"--file: {file} cannot be written: {error.strerror}"
        raise Failure(Exit.BAD_INPUT, what) from None


def _append(line: str, file: Path) -> None:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "rb+", buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - 1))
        broken = end > 0 and stream.read(1) != b"\n"
        stream.write(f"{chr(10) if broken else ''}{line}\n".encode())


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
