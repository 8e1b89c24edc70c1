"""The picture of a run: tokens a second of each contender, each round a dot, and the goals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class NoPlot(Exception):
    """matplotlib is not installed."""


def draw(report: Mapping[str, Any], path: Path) -> None:
    try:
        # Only this needs the `bench` extra, and importing it takes a second.
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NoPlot("a plot needs matplotlib: pip install 'bifocal[bench]'") from error
    loads = list(dict.fromkeys(row["load"] for row in report["contenders"]))
    figure = Figure(figsize=(11, 2.2 + 1.9 * len(loads)), layout="constrained")
    axes = figure.subplots(len(loads) + 1, 1, squeeze=False)[:, 0]
    _goals(axes[0], report)
    for axis, load in zip(axes[1:], loads, strict=True):
        _load(axis, load, report)
    figure.savefig(path, dpi=130)


def _goals(axis: Any, report: Mapping[str, Any]) -> None:
    """Each figure as a share of its goal, with its interval: right of the line is reached."""
    for place, one in enumerate(report["goals"].values()):
        low, median, high = (_share(one, one[name]) for name in ("low", "median", "high"))
        colour = "tab:green" if one["reached"] else "tab:red"
        axis.plot([low, high], [place, place], color=colour)
        axis.plot([median], [place], "o", color=colour)
    axis.axvline(1.0, color="grey", linewidth=1)
    axis.set_yticks(range(len(report["goals"])), list(report["goals"]))
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("share of the goal (right of the line: reached)")


def _share(goal: Mapping[str, Any], value: float) -> float:
    """Of what is to be small the inverse, at most tenfold: a difference may be none."""
    limit: float = goal["goal"]
    return limit / max(value, limit / 10) if goal["at_most"] else value / limit


def _load(axis: Any, load: str, report: Mapping[str, Any]) -> None:
    rows = [row for row in report["contenders"] if row["load"] == load]
    for place, row in enumerate(rows):
        axis.barh(place, row["tokens_per_s"], color="tab:blue", alpha=0.4)
        dots = [
            one["tally"]["tokens_per_s"]
            for one in report["measurements"]
            if (one["load"], one["contender"]) == (load, row["contender"])
        ]
        axis.plot(dots, [place] * len(dots), ".", color="black")
    axis.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    axis.invert_yaxis()
    kind = "streams" if rows[0]["stream"] else "replies"
    axis.set_title(
        f"tokens/s, {kind} of {rows[0]['tokens']}, concurrency {rows[0]['concurrency']}",
        fontsize=10,
    )
