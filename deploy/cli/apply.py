"""`bifocal apply`: a running service as another cluster file has it.

Exit codes: 0 it runs as the file says (also where nothing had to change, or with --dry-run), 1 it
was tried and did not work, and what ran before was put back, 2 bad input, or a change that a
running service cannot take, 4 nothing is running, or not ready yet.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console

from deploy.cli.inputs import Json, cluster_of
from deploy.config import Cluster
from deploy.failure import Exit, Failure
from deploy.local.changes import Changes, as_it_listens, changes
from deploy.local.gateway import offered
from deploy.local.pool_changes import Kind, PoolChange
from deploy.local.pools import pools_of
from deploy.local.preflight import NotReady, check_more, too_large
from deploy.local.report import PlainReport, Report, for_terminal
from deploy.local.rest import RayRest
from deploy.local.rollout import NotApplied, Rollout, alone
from deploy.local.state import Running, StateFolder
from deploy.local.supervisor import ANOTHER_GATEWAY

EVERYTHING = ("the last `bifocal apply` was interrupted",)
"""In place of keys: nobody knows what has been told to whom."""


def apply(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="The cluster file that it is to run as.  [required]"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change and what it costs; no more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Change the running service to what a cluster file says.

    It first tells what will change and what that costs. Pools with several replicas are replaced
    one replica at a time, and no request is lost; a failure puts back what ran before.
    """
    wanted = cluster_of(_required(config))
    state = StateFolder.of(os.environ)
    running = _running(state)
    with _alone(state):
        old = cluster_of(state.cluster_file)
        new = as_it_listens(wanted, old)
        found = _found(old, new, running, interrupted=state.applying_file.exists())
        typer.echo(json.dumps(_as_json(found), indent=2) if as_json else "\n".join(_lines(found)))
        _check(found, old, new)
        if dry_run or found.nothing:
            return
        _confirm(yes=yes)
        _apply(_rollout(state, running, old, new, _report(as_json=as_json)), found)
        typer.echo("the service runs as the file says", err=as_json)


@contextmanager
def _alone(state: StateFolder) -> Iterator[None]:
    """From the look at what runs to its end: what is applied is what was shown."""
    try:
        with alone(state):
            yield
    except NotApplied as error:
        raise Failure(Exit.FAILED, str(error)) from None


def _required(config: Path | None) -> Path:
    """The pocket models, which other verbs take where no file is given, are nothing that a service
    should become by a word that was left out."""
    if config is None:
        what = "--config is missing: apply changes what runs only to a file that is named"
        raise Failure(Exit.BAD_INPUT, what, "write `bifocal apply --config bifocal.yaml`")
    return config


def _running(state: StateFolder) -> Running:
    running = state.load()
    if running is None or not state.is_locked():
        raise Failure(Exit.NOT_RUNNING, "the service is not running", "`bifocal up` starts it")
    if running.progress != "ready":
        raise Failure(
            Exit.NOT_RUNNING, f"the service is {running.progress}", "see `bifocal status`"
        )
    return running


def _found(old: Cluster, new: Cluster, running: Running, *, interrupted: bool) -> Changes:
    found = changes(old, new, cpus=running.cpus, too_large=too_large(pools_of(new)))
    if not interrupted:
        return found
    untold = {pool.name for pool in pools_of(new)} - {change.name for change in found.pools}
    again = tuple(
        PoolChange(name, Kind.ADJUSTED, EVERYTHING, "told anew; it may restart")
        for name in sorted(untold)
    )
    return replace(found, pools=found.pools + again, gateway=found.gateway or EVERYTHING)


def _check(found: Changes, old: Cluster, new: Cluster) -> None:
    """Before anything is touched."""
    if found.refused:
        raise Failure(
            Exit.BAD_INPUT, "a running service cannot take this:\n" + "\n".join(found.refused)
        )
    try:
        check_more(pools_of(old), pools_of(new), new)
    except NotReady as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(Exit.BAD_INPUT, "nobody is here to be asked", "add --yes")
    if not typer.confirm("apply this?"):
        raise Failure(Exit.FAILED, "nothing was changed")


def _rollout(
    state: StateFolder, running: Running, old: Cluster, new: Cluster, report: Report
) -> Rollout:
    at = urlsplit(running.url)
    return Rollout(
        state,
        old,
        new,
        ray=RayRest(running.ports.dashboard, state.ray_token_file.read_text()),
        another_gateway=partial(os.kill, running.supervisor.pid, ANOTHER_GATEWAY),
        offered=partial(offered, at.hostname or "", at.port or 0),
        report=report,
    )


def _apply(rollout: Rollout, found: Changes) -> None:
    try:
        rollout.run(found)
    except KeyboardInterrupt:
        raise Failure(
            Exit.FAILED,
            "interrupted: Ray goes on with what it was told",
            "`bifocal apply` again, with this file or another, makes the service whole",
        ) from None


def _report(*, as_json: bool) -> Report:
    if as_json:
        return PlainReport(lambda text: typer.echo(text, err=True))
    return for_terminal(Console())


def _lines(found: Changes) -> Iterator[str]:
    if found.nothing:
        yield "the service runs as the file says already"
    for change in found.pools:
        yield f"{change.name}: {change.kind}: {change.cost}"
        yield f"  {', '.join(change.keys)}"
    if found.gateway:
        yield "gateway: another takes over: no connection is refused, answers under way finish"
        yield f"  {', '.join(found.gateway)}"
    if found.without_effect:
        yield f"without effect here: {', '.join(found.without_effect)}"
    if not found.beside:
        yield "there is no room for what comes beside what goes: it starts when that is gone"


def _as_json(found: Changes) -> dict[str, Any]:
    return {
        "same": found.nothing,
        "pools": [
            {"name": each.name, "change": each.kind, "keys": each.keys, "cost": each.cost}
            for each in found.pools
        ],
        "gateway": found.gateway,
        "withoutEffect": found.without_effect,
        "refused": found.refused,
        "beside": found.beside,
    }
