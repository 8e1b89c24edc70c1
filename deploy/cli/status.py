"""`bifocal status`: what runs on this machine, or elsewhere, pool by pool.

Exit codes: 0 all ready, 1 not (yet), 4 nothing is running.
"""

import http
import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from deploy.cli import orders
from deploy.cli.client import exchange
from deploy.cli.inputs import Context, Json, Key, Namespace, Release, url_given
from deploy.cli.orders import try_shown
from deploy.cli.reach import Reached, one_service, reached
from deploy.cli.waterfall import bars
from deploy.failure import Exit, Failure
from deploy.local.gateway import answers
from deploy.local.phases import Phase, PoolStatus, statuses
from deploy.local.ray_head import said
from deploy.local.rest import RayAway, RayRefused, RayRest
from deploy.local.state import Running, StateFolder
from serving.values import ModelName


def status(
    url: Annotated[
        str | None, typer.Option("--url", help="A service elsewhere.  [env: BIFOCAL_URL]")
    ] = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Show pools, replicas, gateway and ports.

    And what operators have ordered. Of a service elsewhere its gateway tells; what is ordered it
    tells an operator's key alone.
    """
    one_service(url, context, namespace, release)
    if url or context or url_given():
        with reached(url, key, context, namespace, release) as service:
            found = elsewhere(service)
        typer.echo(json.dumps(found, indent=2) if as_json else _text_elsewhere(found))
        raise typer.Exit(Exit.OK if found["ready"] else Exit.FAILED)
    state = StateFolder.of(os.environ)
    running = state.load()
    if running is None or not state.is_locked():
        _say_not_running(running, as_json=as_json)
        raise typer.Exit(Exit.NOT_RUNNING)
    report = _report(running, state)
    typer.echo(json.dumps(report, indent=2) if as_json else _text(report))
    raise typer.Exit(Exit.OK if report["ready"] else Exit.FAILED)


def elsewhere(service: Reached) -> dict[str, Any]:
    """Raises Failure."""
    fine = (http.HTTPStatus.OK, http.HTTPStatus.SERVICE_UNAVAILABLE)
    told = json.loads(exchange(service.url, service.key, "GET", "/ready", fine=fine))
    release = service.installed.release if service.installed else None
    found = {"url": service.url, "release": release, **told}
    return found | {"orders": try_shown(service)}


def _text_elsewhere(found: dict[str, Any]) -> str:
    name = f"release {found['release']}" if found["release"] else found["url"]
    lines = [f"gateway  {name}  answers"]
    for pool, is_now in found["pools"].items():
        state = "ready" if is_now["ready"] else f"{is_now['state']}: {is_now['reason']}"
        count = f"{is_now['answering']} of {is_now['replicas']} replicas"
        lines.append(f"pool     {pool}  {state}  {count}")
    if found["orders"] is None:
        lines.append("orders   an operator's key would show them")
    else:
        lines += orders.lines(found["orders"])
    return "\n".join(lines)


def _say_not_running(running: Running | None, *, as_json: bool) -> None:
    why = running.why if running else None
    if as_json:
        typer.echo(json.dumps({"running": False, "ready": False, "why": why}, indent=2))
    else:
        typer.echo(f"bifocal is not running{f'; it failed: {why}' if why else ''}")


def _report(running: Running, state: StateFolder) -> dict[str, Any]:
    pools = _pools(running, state)
    at = urlsplit(running.url)
    gateway = answers(at.hostname or "", at.port or 0)
    return {
        "running": True,
        "ready": gateway and bool(pools) and all(each.phase is Phase.READY for each in pools),
        "url": running.url,
        "gateway": {"answers": gateway, "pid": running.gateway and running.gateway.pid},
        "pools": [asdict(each) for each in pools],
        "orders": orders.kept_here(state.orders_file),
        "ray": running.ray_url,
        "ports": asdict(running.ports),
        "logs": {"service": str(state.logs), "ray": _ray_logs(running)},
        "supervisor": running.supervisor.pid,
    }


def _pools(running: Running, state: StateFolder) -> list[PoolStatus]:
    rest = RayRest(running.ports.dashboard, state.ray_token_file.read_text())
    try:
        answer = rest.applications()
    except RayAway:
        return []
    except RayRefused as error:
        what = f"Ray refuses to say how the pools are: {error}"
        raise Failure(Exit.FAILED, what, f"its logs: {_ray_logs(running)}") from None
    names = [ModelName(name) for name in answer["applications"]]
    return statuses(names, answer, partial(said, Path(_ray_logs(running))))


def _ray_logs(running: Running) -> str:
    return f"{running.temp_dir}/session_latest/logs"


def _text(report: dict[str, Any]) -> str:
    gateway = report["gateway"]
    lines = [f"gateway  {report['url']}  {'answers' if gateway['answers'] else 'does not answer'}"]
    for pool in report["pools"]:
        replicas = f"{pool['ready']} of {pool['wanted']} replicas"
        lines.append(f"pool     {pool['name']}  {pool['phase']}  {replicas}")
        if pool["phase"] is not Phase.READY and (said := pool["note"] or pool["why"]):
            lines.append(f"         {said}")
        lines += [f"         {line}" for line in bars(pool["start"])]
    if not report["pools"]:
        lines.append("pools    Ray does not answer yet")
    lines += orders.lines(report["orders"])
    lines += [f"ray      {report['ray']}", f"logs     {report['logs']['service']}"]
    return "\n".join([*lines, f"         {report['logs']['ray']}"])
