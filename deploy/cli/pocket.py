"""`bifocal pocket`: train the pocket models anew, or let them sit their exam."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.client import check
from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url
from deploy.cli.reach import reached
from deploy.failure import Exit, Failure

app = typer.Typer(
    help="Train the pocket models anew, or let them sit their exam.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("train", epilog="\b\nExamples:\n  bifocal pocket train --out models --minutes 30")
def train(
    out: Annotated[Path, typer.Option(help="The folder for the models' folders.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same models.")] = 1,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="The most that each may take of its core.")
    ] = 30,
) -> None:
    """Train both models from scratch on this machine's cores."""
    try:
        # torch comes with the engines' extra alone, and takes seconds to import.
        from deploy.pocket.train import train as train_all  # noqa: PLC0415
    except ModuleNotFoundError as error:
        what = f"training needs {error.name}, which is not installed"
        raise Failure(Exit.FAILED, what, "install the extra `cpu` or `gpu`") from None
    try:
        train_all(out, seed, minutes, _show)
    except RuntimeError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    typer.echo(f"written to {out}")


@app.command("eval", epilog="\b\nExamples:\n  bifocal pocket eval\n  bifocal pocket eval --json")
def evaluate(
    problems: Annotated[int, typer.Option(min=1, help="Problems a row.")] = 240,
    seed: Annotated[int, typer.Option(help="Another seed is another exam.")] = 0,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Let a running service's pocket models sit the exam, streaming and not, by language.

    The exit code is 1 when a row misses what it must reach.
    """
    from deploy.pocket import evaluate as exam  # noqa: PLC0415 - aiohttp, and the phrasebooks

    with reached(url, key, context, namespace, release) as service:
        check(service.url, service.key)
        report = asyncio.run(exam.evaluate(service.url, service.key, problems, seed, told=_count))
    if as_json:
        typer.echo(report.to_json())
    else:
        from rich.console import Console  # noqa: PLC0415 - for tables alone

        Console(width=None if sys.stdout.isatty() else 160).print(report.table())
    if not report.passed:
        raise typer.Exit(Exit.FAILED)


def _show(progress: Any) -> None:
    right = ", ".join(f"{kind} {share:.0%}" for kind, share in progress.accuracy.items())
    left = "done" if progress.done else f"{progress.eta_s / 60:.0f} min left"
    typer.echo(
        f"{progress.model}: step {progress.step} of {progress.steps}, {left}; right: {right}"
    )


def _count(answered: int, of: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if answered == of else ""
        print(f"\r{answered} of {of} answers", end=end, file=sys.stderr, flush=True)
