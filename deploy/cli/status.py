"""`bifocal status`: what runs on this machine, pool by pool.

Exit codes: 0 all ready, 1 not (yet), 4 nothing is running.
"""

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from deploy.cli.inputs import Json
from deploy.cli.waterfall import bars
from deploy.failure import Exit, Failure
from deploy.local.gateway import answers
from deploy.local.phases import Phase, PoolStatus, statuses
from deploy.local.ray_head import said
from deploy.local.rest import RayAway, RayRefused, RayRest
from deploy.local.state import Running, StateFolder
from serving.values import ModelName


def status(as_json: Json = False) -> None:
    """Show pools, replicas, gateway and ports."""
    state = StateFolder.of(os.environ)
    running = state.load()
    if running is None or not state.is_locked():
        _say_not_running(running, as_json=as_json)
        raise typer.Exit(Exit.NOT_RUNNING)
    report = _report(running, state)
    typer.echo(json.dumps(report, indent=2) if as_json else _text(report))
    raise typer.Exit(Exit.OK if report["ready"] else Exit.FAILED)


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
    lines += [f"ray      {report['ray']}", f"logs     {report['logs']['service']}"]
    return "\n".join([*lines, f"         {report['logs']['ray']}"])
