"""What verbs are given, read: the cluster file, the address and the key of a service."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from deploy.config import Cluster, ConfigError, load
from deploy.environment import address_of, environment
from deploy.failure import Exit, Failure
from deploy.local.state import StateFolder, running_here
from serving.config import Seconds

DEFAULT_URL: Final = "http://127.0.0.1:8000"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The cluster file.  [default: the pocket models]"
    ),
]
ConfigHere = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The cluster file.  [default: that of the service that runs here, else the pocket "
        "models]",
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
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="Instead of --url: a context of your kubeconfig. `kubectl` forwards a port to the "
        "gateway there, and the admin key comes from the Secret that the chart made.",
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Of the release.  [default: the context's]")
]
Release = Annotated[
    str | None, typer.Option("--release", help="Of several in the namespace, this one.")
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


def url_given() -> bool:
    """Whether the environment names a service."""
    try:
        return environment(os.environ).url is not None
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _url_here() -> str | None:
    running = running_here(os.environ)
    return running.url if running else None


def seconds_of(option: str, text: str | None) -> float | None:
    """A duration with its unit."""
    if text is None:
        return None
    try:
        return TypeAdapter(Seconds).validate_python(text)
    except ValidationError:
        what = f"{option}: found {text!r}; allowed: a number with a unit, such as 30m or 90d"
        raise Failure(Exit.BAD_INPUT, what) from None


def text_of(argument: str) -> str:
    """`-` is what comes in on standard input."""
    text = sys.stdin.read() if argument == "-" else argument
    if not text.strip():
        raise Failure(
            Exit.BAD_INPUT, "TEXT is empty", "ask something, or `-` to read it from stdin"
        )
    return text
