"""`bifocal mode`: send all that `auto` decides one way.

Exit codes: 0 done, 2 refused, 4 unreachable.
"""

import json
from enum import StrEnum
from typing import Annotated

import typer

from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url, seconds_of
from deploy.cli.orders import confirmed, ordered
from deploy.cli.reach import reached

app = typer.Typer(
    help="Send all that auto decides to the fast or the deep model.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Force(StrEnum):
    FAST = "fast"
    DEEP = "deep"
    OFF = "off"


@app.callback()
def _group() -> None:
    """Send all that auto decides to the fast or the deep model."""


@app.command("force")
def force(
    mode: Annotated[Force, typer.Argument(help="`off` lets the router decide again.")],
    lasts: Annotated[
        str | None,
        typer.Option("--for", help="How long: 30m, 2h.  [default: until it is lifted]"),
    ] = None,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Send every request that `auto` would decide to the fast or to the deep model.

    Whoever names a model, `fast` or `deep` still gets it, and a wish about thinking still holds.
    Answers say `forced fast` or `forced deep` in x-bifocal-reason. It needs an operator's key,
    holds for every gateway, and outlives their restarts.
    """
    wanted = None if mode is Force.OFF else str(mode)
    order = {"force": wanted, "for_s": seconds_of("--for", lasts)}
    with reached(url, key, context, namespace, release) as service:
        report = ordered(service, "mode", order)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    elif wanted is None:
        typer.echo("the router decides again")
    else:
        lasting = f" for {lasts}" if lasts else ""
        typer.echo(f"auto goes {mode}{lasting}: {confirmed(report)}")
