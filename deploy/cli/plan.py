"""`bifocal plan`: how a model is cut over GPUs, with the proof that it fits.

Exit codes: 0 it fits, 3 it does not, 2 bad input.
"""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.cli.inputs import Json
from deploy.config import ConfigError, load_as
from deploy.failure import Exit, Failure
from deploy.plan.asked import gpu_of, model_of
from deploy.plan.report import as_json as report
from serving.layout import Demand, Load, Nodes, Plan, Precision, Sizes, why_not
from serving.layout import plan as planned
from serving.layout.gpus import KINDS
from serving.layout.words import feasible_words

LOAD: Final = Load()


def plan(
    gpu: Annotated[str | None, typer.Option(help=f"Its kind: {', '.join(KINDS)}.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The catalog's name, or the Hugging Face id.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Of the weights.")] = Precision.BF16,
    nodes: Annotated[int, typer.Option(min=1, max=64, help="Equal machines.")] = 1,
    gpus_per_node: Annotated[int, typer.Option(min=1, max=72, help="Of each machine.")] = 8,
    context: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens of prompt and answer together.  [default: the checkpoint's]"
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Requests of the full context to be held at once. Layouts that hold fewer come "
            "last; where none holds them, it stays feasible, as further ones wait, with a warning "
            "and what would.",
        ),
    ] = None,
    prompt: Annotated[
        int, typer.Option(min=1, help="Tokens of a typical prompt, for speeds and ranking.")
    ] = LOAD.prompt,
    answer: Annotated[
        int, typer.Option(min=1, help="Tokens of a typical answer, thinking included.")
    ] = LOAD.answer,
    tpot: Annotated[
        float,
        typer.Option(
            "--tpot", metavar="MS", min=0.1, help="Milliseconds that a token may take at most."
        ),
    ] = LOAD.tpot_s * 1000,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="TPxPPxDP",
            help="This layout alone, as the chart's notes name it: 2x2x4.  [default: all]",
        ),
    ] = None,
    config_json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A Qwen3 checkpoint's config.json, for other models."),
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of the Helm chart: print the layouts that its own table lacks, as values.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plan how a model is cut over GPUs, and prove that it fits.

    Layouts are ranked by the tokens of answer a second that all GPUs are predicted to give together
    within the promised time per token, prefill counted in; of layouts within 10 % the one of fewer
    GPUs a replica comes first. The quickest for one request alone is named beside it.

    Exit codes: 0 it fits, 3 it does not, 2 bad input. Speeds are predicted, and say so.
    """
    if values is not None:
        typer.echo(_for_chart(values), nl=False)
        return
    if gpu is None:
        raise Failure(Exit.BAD_INPUT, "Missing option '--gpu'", "or --values, a file of the chart")
    machines = Nodes(gpu_of(gpu), gpus_per_node, nodes)
    facts = model_of(model, config_json)
    demand = Demand(
        facts, precision, machines, context, concurrency, Load(prompt, answer, tpot / 1000)
    )
    found = planned(demand)
    if layout is not None and found.feasible:
        found = _only(demand, found, layout)
    if as_json:
        typer.echo(json.dumps(report(demand, found), indent=2))
    else:
        _show(demand, found)
    raise typer.Exit(Exit.OK if found.feasible else Exit.INFEASIBLE)


def _only(demand: Demand, found: Plan, layout: str) -> Plan:
    """What is left if a replica is cut like this, or why it cannot be."""
    if not re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3}){2}", layout):
        what = f"--layout: found {layout!r}; allowed: tensor x pipeline x data, 2x2x4"
        raise Failure(Exit.BAD_INPUT, what)
    tensor, pipeline, data = (int(size) for size in layout.split("x"))
    sizes = Sizes(tensor, pipeline, data, expert=demand.model.is_moe)
    like = tuple(replace(sizes, expert=expert) for expert in (False, True))
    kept = tuple(one for one in found.layouts if one.sizes in like)
    if not kept:
        return replace(found, feasible=False, why=why_not(demand, sizes), layouts=(), quickest=None)
    return replace(found, why=feasible_words(demand, kept[0]), layouts=kept, quickest=None)


def _for_chart(path: Path) -> str:
    from deploy.chart.planned import text  # noqa: PLC0415 - for the chart alone
    from deploy.chart.values import Values  # noqa: PLC0415

    try:
        return text(load_as(Values, path))
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _show(demand: Demand, found: Plan) -> None:
    from rich.console import Console  # noqa: PLC0415 - for tables alone

    from deploy.plan.tables import shown  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(shown(demand, found))
