"""`bifocal weights`: bring a model's weights to this machine, check them, list them."""

import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.cli.inputs import Json
from deploy.failure import Exit, Failure
from deploy.weights import MANIFEST, Listed, Pulled, Settings, Told, listed, parse, seal, verify
from deploy.weights import pull as pull_weights
from deploy.weights.pace import Pace
from serving.sizes import in_words

app = typer.Typer(
    help="Bring a model's weights to this machine, check them, list them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

_LINE_EVERY_S: Final = 10.0
_REDRAW_EVERY_S: Final = 0.2

_PULL_EXAMPLES = """\b
Examples:
  bifocal weights pull Qwen/Qwen3-8B
  bifocal weights pull hf://Qwen/Qwen3-8B@main --to models/qwen3-8b
  bifocal weights pull ms://Qwen/Qwen3-8B --json | jq -r .folder
  bifocal weights pull s3://models/qwen3-8b --revision SEAL
"""

Folder = Annotated[Path, typer.Argument(help="A folder of weights.")]


@app.command("pull", epilog=_PULL_EXAMPLES)
def pull(
    source: Annotated[
        str,
        typer.Argument(
            help="org/name or hf://org/name@revision, ms://org/name@revision, s3://bucket/prefix, "
            "https://host/folder, or a local folder, which is only checked."
        ),
    ],
    revision: Annotated[
        str | None,
        typer.Option(help="A branch, a tag or a commit; of a bucket or a web folder, its seal."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Here, not in the node's store ($BIFOCAL_WEIGHTS)."),
    ] = None,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Read what is on disk already, and mend it.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="What is on disk, and no network.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Download weights once, checked and pinned to a commit, and print their folder.

    It goes on where it was cut off. Only what an engine reads is taken, and only safetensors.
    """
    settings = Settings.of(os.environ)
    settings = replace(settings, offline=settings.offline or offline)
    told = Told(lambda line: print(line, file=sys.stderr), Progress().show)
    asked = parse(source, revision)
    done = asyncio.run(
        pull_weights(asked, settings, to=to and to.absolute(), recheck=recheck, told=told)
    )
    typer.echo(json.dumps(_report(done), indent=2) if as_json else str(done.folder))


@app.command("verify", epilog="\b\nExamples:\n  bifocal weights verify models/qwen3-8b")
def verify_folder(folder: Folder, as_json: Json = False) -> None:
    """Read every byte of a folder and compare it with its manifest.

    The exit code is 1 when something is missing, changed, or not in the manifest.
    """
    found = verify(folder)
    if as_json:
        report = _report(Pulled(folder.absolute(), found.manifest))
        typer.echo(json.dumps({**report, "problems": found.problems}, indent=2))
    else:
        good = (
            f"{len(found.manifest.files)} files, {in_words(found.manifest.size)}, all as they were"
        )
        lines = found.problems or (f"{found.manifest.title}: {good}",)
        typer.echo("\n".join(lines))
    if found.problems:
        raise typer.Exit(Exit.FAILED)


@app.command("seal", epilog="\b\nExamples:\n  bifocal weights seal models/my-fine-tune")
def seal_folder(folder: Folder) -> None:
    """Write the manifest of a folder as it is, to serve it from a bucket; print its seal."""
    typer.echo(seal(folder).seal)


@app.command("list", epilog="\b\nExamples:\n  bifocal weights list --json")
def list_weights(as_json: Json = False) -> None:
    """List the weights in this machine's store.

    The exit code is 1 when a manifest cannot be read; the others are listed all the same.
    """
    root = Settings.of(os.environ).root
    found = sorted(listed(root), key=lambda each: each.folder)
    if as_json:
        typer.echo(json.dumps([_listed(each) for each in found], indent=2))
    elif not found:
        typer.echo(f"none in {root}")
    else:
        for each in found:
            size = in_words(each.manifest.size) if each.manifest else "not finished"
            typer.echo(f"{'broken' if each.problem else size:>12}  {each.folder}")
    problems = [each.problem for each in found if each.problem]
    if problems:
        raise Failure(
            Exit.FAILED,
            "\n".join(problems),
            f"remove {MANIFEST} there and pull again: what is right is kept",
        )


def _listed(each: Listed) -> dict[str, Any]:
    return {**_report(Pulled(each.folder, each.manifest)), "problem": each.problem}


def _report(done: Pulled) -> dict[str, Any]:
    found = done.manifest
    return {
        "folder": str(done.folder),
        "finished": found is not None,
        "origin": found and found.origin,
        "repository": found and found.repository,
        "revision": found and found.revision,
        "commit": found and found.commit,
        "seal": found and found.seal,
        "upstream": found and found.upstream,
        "files": found and len(found.files),
        "bytes": found and found.size,
        "downloaded_bytes": done.downloaded,
    }


class Progress:
    """One line that moves on a terminal, a line now and then in a log."""

    def __init__(self) -> None:
        self._pace: Pace | None = None
        self._next = 0.0

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._pace = Pace.since(self._pace, now, done)
        if now < self._next and done < total:
            return
        moves = sys.stderr.isatty()
        self._next = now + (_REDRAW_EVERY_S if moves else _LINE_EVERY_S)
        line = self._pace.words(now, done, total)
        end = "\n" if done >= total or not moves else ""
        print(f"\r\x1b[K{line}" if moves else line, end=end, file=sys.stderr, flush=True)
