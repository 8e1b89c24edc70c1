"""`bifocal chaos`: kills and stops processes of a service of its own, and tells what that cost.

Exit codes: 0 no answer was lost, 1 one was, or a fault could not be tried, 2 bad input.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.chaos import Subject
from deploy.failure import Exit, Failure
from ops.bench.bench import machine_facts
from ops.bench.processes import NotReady
from ops.chaos.faults import FAULTS, Fault
from ops.chaos.report import as_json, as_table
from ops.chaos.tally import Row, row
from ops.chaos.trial import NoVictim, Place, run

NAMES: Final = tuple(fault.name for fault in FAULTS)


def chaos(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"One of {', '.join(NAMES)}; may be repeated."),
    ] = None,
    clients: Annotated[
        int, typer.Option(min=1, help="That ask the pool that is hit, all the time.")
    ] = 3,
    replicas: Annotated[int, typer.Option(min=1, help="Of the pool that is hit.")] = 1,
    stuck_after: Annotated[
        float, typer.Option(min=1.0, help="Seconds without a step after which an engine is stuck.")
    ] = 10.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was measured.")
    ] = None,
) -> None:
    """Kill and stop processes of a service under load, and tell what its clients saw.

    It starts a service of two pocket pools of its own, hits one, and counts on both what was
    answered, refused, told and lost. Each fault takes one to three minutes.
    """
    chosen = _chosen(only or [])
    machine = machine_facts()
    rows, problems = _tried(chosen, clients, Subject(stuck_after, replicas))
    settings = {"clients": clients, "replicas": replicas, "stuck_after_s": stuck_after}
    report = as_json(rows, problems, machine, **settings)
    typer.echo(as_table(report))
    _save(report, json_file)
    raise typer.Exit(Exit.FAILED if report["lost"] or problems else Exit.OK)


def _chosen(names: Sequence[str]) -> tuple[Fault, ...]:
    if unknown := [name for name in names if name not in NAMES]:
        what = f"--only: found {unknown[0]!r}; allowed: {', '.join(NAMES)}"
        raise Failure(Exit.BAD_INPUT, what)
    return tuple(fault for fault in FAULTS if not names or fault.name in names)


def _tried(faults: Sequence[Fault], clients: int, subject: Subject) -> tuple[list[Row], list[str]]:
    """What could not be tried is told beside what was."""
    rows: list[Row] = []
    problems: list[str] = []
    # A socket's path may have 107 characters, and Ray puts its own below this folder.
    with tempfile.TemporaryDirectory(prefix="bf-", ignore_cleanup_errors=True) as folder:
        try:
            with subject.standing(Path(folder)) as place:
                for fault in faults:
                    try:
                        rows.append(_trial(place, fault, clients))
                    except NoVictim as error:
                        problems.append(str(error))
                    else:
                        typer.echo(rows[-1], err=True)
        except NotReady as error:
            problems.append(str(error))
    return rows, problems


def _trial(place: Place, fault: Fault, clients: int) -> Row:
    typer.echo(f"{fault.name}: {fault.signal.name} to {fault.role}", err=True)
    try:
        trial = asyncio.run(run(place, fault, clients))
    except* (NoVictim, NotReady) as group:
        raise group.exceptions[0] from None
    return row(trial, place.victim, place.replicas)


def _save(report: dict[str, Any], json_file: Path | None) -> None:
    if json_file is None:
        return
    try:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise Failure(Exit.BAD_INPUT, f"{error.filename} cannot be written") from None
