"""`bifocal route`: the router's decision for a text, without a cluster."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from deploy.cli.inputs import Config, Json, cluster_of, text_of
from deploy.failure import Exit, Failure
from serving.errors import BifocalError
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
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show which model would answer, whether it would think, and why."""
    messages = [{"role": "user", "content": text_of(text)}]
    facts = facts_of(model, messages, enable_thinking=think, reasoning_effort=effort, tools=tools)
    cluster = cluster_of(config)
    family = Family.of(cluster.served, cluster.router.fast, cluster.router.deep)
    try:
        decided = choose(facts, family)
    except BifocalError as error:
        raise Failure(Exit.BAD_INPUT, error.message) from None
    typer.echo(json.dumps(_report(decided, facts), indent=2) if as_json else _text(decided, facts))


def _report(decided: Route, facts: RequestFacts) -> dict[str, Any]:
    return {
        "model": decided.model,
        "thinking": decided.mode is Mode.THINKING,
        "reason": decided.reason,
        "features": asdict(facts),
    }


def _text(decided: Route, facts: RequestFacts) -> str:
    """The decision, then what was seen; what was not seen is left out."""
    thinking = "on" if decided.mode is Mode.THINKING else "off"
    lines = [
        f"model     {decided.model}",
        f"thinking  {thinking}",
        f"reason    {decided.reason}",
        "",
    ]
    for name, value in asdict(facts).items():
        if value not in (None, False, 0):
            shown = "yes" if value is True else value
            lines.append(f"{name.replace('_', ' '):20} {shown}")
    return "\n".join(lines)
