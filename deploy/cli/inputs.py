"""What verbs are given, read: the cluster file, the address and the key of a service."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.config import Cluster, ConfigError, address_of, environment, load
from deploy.failure import Exit, Failure
from deploy.local.state import StateFolder, running_here

DEFAULT_URL: Final = "http://127.0.0.1:8000"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The cluster file.  [default: the pocket models]"
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The service.  [env: BIFOCAL_URL; default: the one that `bifocal up` runs here, else "
        f"{DEFAULT_URL}]",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", help="The API key; the variable keeps it out of process lists.  [env: BIFOCAL_KEY]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]


def cluster_of(path: Path | None) -> Cluster:
    try:
        return load(path)
    except ConfigError as error:
        remedy = "`bifocal config schema` prints what a cluster file may hold"
        raise Failure(Exit.BAD_INPUT, str(error), remedy) from None


def file_here() -> Path | None:
    """The cluster file of the service that runs here, as it is served."""
    if running_here(os.environ) is None:
        return None
    file = StateFolder.of(os.environ).cluster_file
    return file if file.is_file() else None  # while it starts there may be none


def service_of(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The address and the key: as given, else of the environment, else of what runs here."""
    try:
        found = environment(os.environ)
        named = address_of("--url", url) if url else found.url
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
    return named or _url_here() or DEFAULT_URL, key or found.key


def _url_here() -> str | None:
    running = running_here(os.environ)
    return running.url if running else None


def text_of(argument: str) -> str:
    """`-` is what comes in on standard input."""
    text = sys.stdin.read() if argument == "-" else argument
    if not text.strip():
        raise Failure(
            Exit.BAD_INPUT, "TEXT is empty", "ask something, or `-` to read it from stdin"
        )
    return text
