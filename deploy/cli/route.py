"""`bifocal route`: the router's decision for a text, without a cluster.

Of the service that runs here it reads the cluster file and the orders of its operators; the service
itself is not asked.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.inputs import ConfigHere, Json, cluster_of, file_here, text_of
from deploy.config import POCKET
from deploy.failure import Exit, Failure
from deploy.local.state import StateFolder
from deploy.orders import OrdersFile
from serving.errors import BifocalError
from serving.gateway.orders import Held, held, merged
from serving.routing import Family, choose, facts_of
from serving.values import Mode, RequestFacts, Route


def route(
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from stdin.")],
    model: Annotated[
        str, typer.Option(help="auto, fast, deep, or a model's name or Hugging Face id.")
    ] = "auto",
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="As `enable_thinking` would ask for.")
    ] = None,
    effort: Annotated[str | None, typer.Option(help="As `reasoning_effort` would ask for.")] = None,
    tools: Annotated[int, typer.Option(min=0, help="How many tools are offered.")] = 0,
    config: ConfigHere = None,
    as_json: Json = False,
) -> None:
    """Show which model would answer, whether it would think, and why."""
    messages = [{"role": "user", "content": text_of(text)}]
    facts = facts_of(model, messages, enable_thinking=think, reasoning_effort=effort, tools=tools)
    here = None if config else file_here()
    file = config or here
    cluster = cluster_of(file)
    family = Family.of(cluster.served, cluster.router.fast, cluster.router.deep)
    orders = _orders_here() if here else Held()
    try:
        decided = choose(facts, family, orders.forced)
    except BifocalError as error:
        raise Failure(Exit.BAD_INPUT, error.message) from None
    drained = decided.model in orders.drained
    if as_json:
        typer.echo(json.dumps(_report(decided, facts, file or POCKET, drained=drained), indent=2))
    else:
        typer.echo(_text(decided, facts, _named(config, file), drained=drained))


def _orders_here() -> Held:
    now = time.time()
    kept = OrdersFile(StateFolder.of(os.environ).orders_file).changed()
    return held(merged({}, kept, now), now)


def _named(given: Path | None, file: Path | None) -> str:
    if file is None:
        return "the pocket models"
    return str(file) if given else f"{file}, of the service that runs here"


def _report(decided: Route, facts: RequestFacts, file: Path, *, drained: bool) -> dict[str, Any]:
    return {
        "model": decided.model,
        "thinking": decided.mode is Mode.THINKING,
        "reason": decided.reason,
        "drained": drained,
        "config": str(file),
        "features": asdict(facts),
    }


def _text(decided: Route, facts: RequestFacts, file: str, *, drained: bool) -> str:
    """The decision, then what was seen; what was not seen is left out."""
    thinking = "on" if decided.mode is Mode.THINKING else "off"
    lines = [
        f"model     {decided.model}",
        f"thinking  {thinking}",
        f"reason    {decided.reason}",
        f"by        {file}",
    ]
    if drained:
        lines.append(f"but       an operator drains {decided.model}: it takes nothing new")
    lines.append("")
    for name, value in asdict(facts).items():
        if value not in (None, False, 0):
            shown = "yes" if value is True else value
            lines.append(f"{name.replace('_', ' '):20} {shown}")
    return "\n".join(lines)
