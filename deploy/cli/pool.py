"""`bifocal pool`: let a pool take nothing new, and take it up again.

Exit codes: 0 done, 1 with --wait not empty in time, 2 refused, 4 unreachable.
"""

import json
import time
from typing import Annotated, Final

import typer

from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url
from deploy.cli.orders import Report, confirmed, ordered, requests, shown
from deploy.cli.reach import Reached, reached
from deploy.failure import Exit, Failure

LOOK_EVERY_S: Final = 1.0

app = typer.Typer(
    help="Let a pool take nothing new, and take it up again.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The pool, by its model's name.")]


@app.callback()
def _group() -> None:
    """Let a pool take nothing new, and take it up again."""


@app.command("drain")
def drain(
    name: Name,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until nothing is under way there any more.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Seconds that --wait lasts at most.")] = 3600,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Let a pool take nothing new; what it has begun it finishes.

    New requests for it go to the pool that its `instead` names, or get 503 with Retry-After. It
    needs an operator's key, holds for every gateway, and outlives their restarts.
    """
    with reached(url, key, context, namespace, release) as service:
        report = ordered(service, "pool", {"pool": name, "drained": True})
        if not as_json:
            typer.echo(f"{name} takes nothing new: {confirmed(report)}")
        if wait:
            report = _emptied(service, name, limit, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        typer.echo(f"{name}: {requests(report['pools'][name]['requests'])} under way")


@app.command("resume")
def resume(
    name: Name,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Let a pool take requests again."""
    with reached(url, key, context, namespace, release) as service:
        report = ordered(service, "pool", {"pool": name, "drained": False})
    typer.echo(json.dumps(report, indent=2) if as_json else f"{name} takes requests again")


def _emptied(service: Reached, name: str, limit_s: float, *, quiet: bool) -> Report:
    """Raises Failure when the time is over."""
    end, said = time.monotonic() + limit_s, -1
    while (report := shown(service))["pools"][name]["requests"]:
        count = report["pools"][name]["requests"]
        if count != said and not quiet:
            typer.echo(f"{name}: {requests(count)} under way")
        said = count
        if time.monotonic() > end:
            what = f"{name}: {requests(count)} under way after {limit_s:g} s"
            raise Failure(Exit.FAILED, what, "it is drained all the same; wait on with --wait")
        time.sleep(LOOK_EVERY_S)
    return report
