"""`bifocal bench`: what the gateway costs, side by side with what it could be.

Exit codes: 0 every goal of the run is reached, 1 one is missed, an answer was lost, or a contender
did not start, 2 bad input.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from deploy.bench import Subject
from deploy.cache import cache_folder
from deploy.config import ConfigError
from deploy.environment import address_of
from deploy.failure import Exit, Failure
from deploy.source import is_folder
from ops.bench import start as cold
from ops.bench import watched as beside
from ops.bench.bench import Only, Plan, run
from ops.bench.contenders import Room
from ops.bench.plot import NoPlot, draw
from ops.bench.report import as_json, as_table
from serving.catalog import CATALOG
from serving.values import ModelName

ROUNDS: Final = 5
SECONDS: Final = 5.0
"""Of each contender under each load in each round."""


def bench(
    only: Annotated[
        Only | None,
        typer.Option(help="mock: gateway and pass-through before a mock upstream, about a minute."),
    ] = None,
    model: Annotated[str, typer.Option(help="The catalog's name of it.")] = "pocket-dense",
    source: Annotated[
        str | None,
        typer.Option(help="Its weights: a folder.  [default: the pocket model that ships]"),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Interleaved rounds.  [default: 5; with --watched 12]"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            help="Of each contender under each load in each round.  "
            "[default: 5; with --watched 10]",
        ),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(help="Another server of the model, asked as well; may be repeated."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was measured.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a PNG.")] = None,
    start: Annotated[
        bool, typer.Option("--start", help="A pool's cold start instead, beside Ray's own.")
    ] = False,
    watched: Annotated[
        bool,
        typer.Option(
            "--watched",
            help="What a Prometheus that watches costs instead, with it and without in turn.",
        ),
    ] = False,
) -> None:
    """Measure what the gateway costs, side by side with what it could be.

    Asked in turn, by one load generator: bare vLLM, a replica, the gateway, Ray Serve LLM's default
    ingress; and before a mock upstream that answers at once: the gateway, a bare pass-through.
    """
    if model not in CATALOG:
        what = f"--model: found {model!r}; allowed: {', '.join(CATALOG)}"
        raise Failure(Exit.BAD_INPUT, what)
    if source is not None and not is_folder(source):
        what = f"--source: found {source!r}; allowed: a folder (./weights, /weights)"
        raise Failure(Exit.BAD_INPUT, what, "`bifocal weights pull` fetches one and prints it")
    subject = Subject(ModelName(model), source)
    others = {"--only": only, "--peer": peer, "--plot": plot}
    if start:
        _goes_without("--start", {**others, "--seconds": seconds, "--watched": watched})
        _cold_start(rounds or ROUNDS, subject, json_file)
    if watched:
        _goes_without("--watched", others)
        plan = beside.Plan(rounds or beside.PAIRS, seconds or beside.SECONDS)
        _watched(plan, subject, json_file)
    report = _measured(
        Plan(rounds or ROUNDS, seconds or SECONDS, only, _addresses(peer or [])), subject
    )
    typer.echo(as_table(report))
    _save(report, json_file, plot)
    raise typer.Exit(Exit.OK if _good(report) else Exit.FAILED)


def _goes_without(measured: str, others: Mapping[str, object]) -> None:
    """What is measured instead has its own contenders and no picture."""
    if given := [name for name, value in others.items() if value]:
        raise Failure(Exit.BAD_INPUT, f"{measured} goes without {', '.join(given)}")


def _cold_start(rounds: int, subject: Subject, json_file: Path | None) -> NoReturn:
    with _room() as room:
        report = cold.run(rounds, subject.start(str(cache_folder(os.environ))), room)
    typer.echo(cold.as_table(report))
    _save(report, json_file, None)
    raise typer.Exit(Exit.OK if cold.reached(report) else Exit.FAILED)


def _watched(plan: beside.Plan, subject: Subject, json_file: Path | None) -> NoReturn:
    with _room() as room:
        report = beside.run(plan, subject.product(str(cache_folder(os.environ))), room)
    typer.echo(beside.as_table(report))
    _save(report, json_file, None)
    raise typer.Exit(Exit.OK if beside.reached(report) else Exit.FAILED)


def _addresses(peers: list[str]) -> tuple[str, ...]:
    try:
        return tuple(address_of("--peer", each) for each in peers)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _measured(plan: Plan, subject: Subject) -> dict[str, Any]:
    with _room() as room:
        return as_json(run(plan, subject.product(str(cache_folder(os.environ))), room))


@contextmanager
def _room() -> Iterator[Room]:
    # A socket's path may have 107 characters, and Ray puts its own below this folder.
    with tempfile.TemporaryDirectory(prefix="bf-", ignore_cleanup_errors=True) as folder:
        yield Room(Path(folder), say=lambda line: typer.echo(line, err=True))


def _save(report: Mapping[str, Any], json_file: Path | None, plot: Path | None) -> None:
    try:
        if json_file is not None:
            json_file.write_text(json.dumps(report, indent=2) + "\n")
        if plot is not None:
            draw(report, plot)
    except NoPlot as error:
        raise Failure(Exit.FAILED, str(error)) from None
    except OSError as error:
        raise Failure(Exit.BAD_INPUT, f"{error.filename} cannot be written") from None


def _good(report: Mapping[str, Any]) -> bool:
    if report["problems"] or report["lost_answers"]:
        return False
    return all(goal["reached"] for goal in report["goals"].values())
