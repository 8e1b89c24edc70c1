"""`bifocal diff`: what an upgrade of the chart will do, said before it is done.

Exit codes: 0 nobody is left without an answer, 1 somebody is, for a while or for good, 2 bad
input, 3 it does not fit (there are no GPUs for a second cluster, or for replicas that are cut
otherwise), 4 there is no such release, or its cluster does not answer.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from deploy.cli.inputs import Json, Namespace
from deploy.diff.change import Change
from deploy.diff.source import CHART, Release, next_of, of_files, of_release
from deploy.diff.verdict import changes, is_away, is_refused
from deploy.failure import Exit, Failure


def diff(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="[OLD] NEW",
            help="Files of values (several for a side with commas between them), or of manifests. "
            "With --release there is no OLD.",
        ),
    ],
    release: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compare with this release, as it runs.")
    ] = None,
    namespace: Namespace = None,
    context: Annotated[
        str | None, typer.Option(help="Of the kubeconfig.  [default: the current one]")
    ] = None,
    chart: Annotated[
        str,
        typer.Option(show_default=False, help="Which renders the values.  [default: helm/bifocal]"),
    ] = str(CHART),
    as_json: Json = False,
) -> None:
    """Say what an upgrade of the chart would do, and to whom, before it is done.

    By pool and group of GPUs: what is restarted one at a time, what is away and for about how
    long, what KubeRay answers with a second cluster and whether its GPUs are there. Exit codes: 0
    nobody is left without an answer; 1 somebody is: a pool is away and nothing stands in for it, or
    a name or a way in is gone; 3 it does not fit; 4 no such release. Nothing is changed.
    """
    before, after = _sides(files, release, namespace, context, chart)
    found = changes(before, after)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        typer.echo("\n".join(_lines(found)))
    raise typer.Exit(_code(found))


def _sides(
    files: list[str], release: str | None, namespace: str | None, context: str | None, chart: str
) -> tuple[Any, Any]:
    expected = 1 if release else 2
    if len(files) != expected:
        what = f"found {len(files)} files; expected {expected}"
        raise Failure(
            Exit.BAD_INPUT, what, "bifocal diff OLD NEW, or bifocal diff NEW --release NAME"
        )
    if release is None:
        old, new = files
        return of_files(old, chart), of_files(new, chart)
    of = Release(release, namespace, context)
    return of_release(of), next_of(of, files[0], chart)


def _code(found: tuple[Change, ...]) -> Exit:
    if is_refused(found):
        return Exit.INFEASIBLE
    return Exit.FAILED if is_away(found) else Exit.OK


def _lines(found: tuple[Change, ...]) -> Iterator[str]:
    if not found:
        yield "nothing changes"
    for change in found:
        yield f"{change.what}: {change.kind}{f': {change.says}' if change.says else ''}"
        if change.because:
            yield f"  {', '.join(change.because)}"


def _as_json(found: tuple[Change, ...]) -> dict[str, Any]:
    return {
        "same": not found,
        "away": is_away(found),
        "refused": is_refused(found),
        "changes": [
            {
                "what": each.what,
                "change": each.kind,
                "says": each.says,
                "because": each.because,
                "awaySeconds": each.away_s,
                "drainsSeconds": each.drains_s,
                "away": each.left,
            }
            for each in found
        ],
    }
