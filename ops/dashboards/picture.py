"""Draws boards from data that Prometheus gave: a page for a browser, in the boards' own layout.

It is not Grafana's rendering: the layout, titles, units, queries and legends are the boards', lines
and colours ours. `ops.dashboards.photograph` makes pictures of the pages.
"""

import html
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from ops.dashboards import Board, Panel, text

CELL_W, CELL_H = 52, 26
"""Pixels of a cell of Grafana's grid."""
HEAD_H: Final = 30
COLOURS: Final = (
    "#4e9a06", "#3465a4", "#c17d11", "#a40000", "#75507b", "#06989a", "#c4a000", "#5c3566",
    "#2e3436", "#ce5c00",
)  # fmt: skip
MARKS: Final = {
    "Gateway started": "#3274d9",
    "Pool scaled": "#ff9830",
    "Replicas came or went": "#8f3bb8",
}
STYLE: Final = """\
body{margin:0;background:#f4f5f5;font:11px sans-serif;color:#24292e;position:relative}
.p{position:absolute;background:#fff;border:1px solid #dcdfe3;border-radius:3px;overflow:hidden}
.p b{display:block;padding:5px 8px 0}
.row{position:absolute;font-weight:bold;font-size:14px;padding-top:4px}
.l{padding:0 8px;font-size:9px;line-height:12px;height:36px;overflow:hidden}
.l span{margin-right:9px;display:inline-block;white-space:nowrap}
.head{position:absolute;left:6px;top:6px;font-size:11px}
.head b{font-size:15px;margin-right:16px}
.head span{margin-right:12px}
.big{display:flex;flex-wrap:wrap;gap:2px 14px;padding:8px}
.big i{font-style:normal;font-size:19px;display:block}
.none{padding:24px 8px;color:#888}
"""


@dataclass(frozen=True)
class Series:
    """One line of a panel."""

    name: str
    points: tuple[tuple[float, float], ...]
    """Time and value; where there is no number, no point."""

    @property
    def last(self) -> float:
        return self.points[-1][1] if self.points else math.nan


def page(board: Board, data: Mapping[str, Any]) -> str:
    """The whole board."""
    placed = json.loads(text(board))["panels"]
    by_title = {panel.title: panel for panel in board.panels}
    boxes = "".join(
        _row(p) if p["type"] == "row" else _box(p, by_title[p["title"]], board, data)
        for p in placed
    )
    width, height = size(board)
    fit = f"width:{width}px;height:{height}px"
    return (
        f'<meta charset="utf-8"><style>{STYLE}</style><body style="{fit}">{_head(board)}{boxes}\n'
    )


def size(board: Board) -> tuple[int, int]:
    """Of the page, in pixels."""
    placed = json.loads(text(board))["panels"]
    below = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in placed)
    return 24 * CELL_W, below * CELL_H + HEAD_H + 4


def _head(board: Board) -> str:
    marks = " ".join(
        f'<span style="color:{colour}">&#9482; {title}</span>' for title, colour in MARKS.items()
    )
    return f'<div class="head"><b>Bifocal / {board.title}</b> {marks}</div>'


def _row(placed: Mapping[str, Any]) -> str:
    top = placed["gridPos"]["y"] * CELL_H + HEAD_H
    return f'<div class="row" style="left:3px;top:{top}px">{html.escape(placed["title"])}</div>'


def _box(placed: Mapping[str, Any], panel: Panel, board: Board, data: Mapping[str, Any]) -> str:
    at = placed["gridPos"]
    where = f"left:{at['x'] * CELL_W + 3}px;top:{at['y'] * CELL_H + HEAD_H}px"
    title = html.escape(panel.title)
    width, height = at["w"] * CELL_W - 8, at["h"] * CELL_H - 8
    found = list(_series(board, panel, data["lines"]))
    if panel.needs:
        inner = f'<div class="none">No data: {html.escape(panel.needs)}.</div>'
    elif panel.at_a_glance:
        inner = _numbers(panel, found)
    else:
        inner = _chart(panel, found, data, width, height - 62) + _legend(panel, found)
    style = f"{where};width:{width}px;height:{height}px"
    return f'<div class="p" style="{style}"><b>{title}</b>{inner}</div>'


def _series(board: Board, panel: Panel, lines: Mapping[str, Any]) -> Iterator[Series]:
    for line in panel.lines:
        for one in lines.get(f"{board.title} / {panel.title} / {line.legend}", ()):
            values = ((float(at), float(value)) for at, value in one["values"])
            points = tuple((at, value) for at, value in values if math.isfinite(value))
            yield Series(_named(line.legend, one["metric"]), points)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)


def _numbers(panel: Panel, found: Sequence[Series]) -> str:
    cells = "".join(
        f"<div><i>{_said(one.last, panel.unit)}</i>{html.escape(one.name)}</div>"
        for one in found
        if one.points
    )
    return f'<div class="big">{cells}</div>'


def _legend(panel: Panel, found: Sequence[Series]) -> str:
    cells = " ".join(
        f'<span><span style="color:{_colour(n)};margin:0">&#9644;</span> {html.escape(one.name)} '
        f"{_said(one.last, panel.unit)}</span>"
        for n, one in enumerate(found)
    )
    return f'<div class="l">{cells}</div>'


def _chart(panel: Panel, found: Sequence[Series], data: Any, width: int, height: int) -> str:
    drawn = _stacked(found) if panel.stacked else found
    values = [value for one in drawn for _, value in one.points] or [0.0]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    left, right, top, base = 44, width - 8, 6, height - 14
    start: float = data["start"]
    span: float = data["end"] - start

    def x(at: float) -> float:
        return left + (right - left) * (at - start) / span

    def y(value: float) -> float:
        return base - (base - top) * (value - low) / (high - low)

    parts = [f'<svg width="{width}" height="{height}">']
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        line = f'x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"'
        parts.append(f'<line {line} stroke="#e4e7e7"/>')
        label = f'x="{left - 4}" y="{y(value) + 3:.1f}" text-anchor="end" font-size="9"'
        parts.append(f"<text {label}>{_said(value, panel.unit)}</text>")
    minutes = range(0, math.floor(span / 60) + 1, 2)
    for minute in minutes:
        label = f'x="{x(start + minute * 60):.1f}" y="{height - 3}" font-size="9" fill="#777"'
        parts.append(f"<text {label}>{minute} min</text>")
    parts += _marks(data["marks"], x, top, base)
    for number, one in enumerate(drawn):
        for run in _runs(one.points):
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in run)
            look = f'fill="none" stroke="{_colour(number)}" stroke-width="1.3"'
            parts.append(f'<polyline points="{path}" {look}/>')
    return "".join([*parts, "</svg>"])


def _marks(marks: Mapping[str, Any], x: Any, top: int, base: int) -> Iterator[str]:
    """Where each began: what holds for a while is one mark."""
    for title, found in marks.items():
        for at in sorted({at for one in found for at in _begins(one["values"])}):
            line = f'x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top}" y2="{base}"'
            yield f'<line {line} stroke="{MARKS[title]}" stroke-dasharray="3 3"/>'


def _begins(values: Sequence[tuple[float, str]]) -> Iterator[float]:
    """A value as large as a time in milliseconds is the time itself."""
    before = -math.inf
    for at, value in values:
        moment = float(value) / 1000 if float(value) > 1e9 else float(at)
        if moment - before > 12:
            yield moment
        before = moment


def _runs(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """Without a line across what was not there."""
    run = list(points[:1])
    for (before, _), point in pairwise(points):
        if point[0] - before > 12:
            yield run
            run = []
        run.append(point)
    yield run


def _stacked(found: Sequence[Series]) -> list[Series]:
    below: dict[float, float] = {}
    drawn = []
    for one in found:
        points = []
        for at, value in one.points:
            below[at] = below.get(at, 0.0) + value
            points.append((at, below[at]))
        drawn.append(Series(one.name, tuple(points)))
    return drawn


def _said(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %" if abs(value) < 10 else f"{value * 100:.0f} %"
        case "percent":
            return f"{value:.3g} %"
        case "s":
            return f"{value:.3g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
        case "ms":
            return f"{value / 1000:.3g} s"
        case "bytes":
            return f"{value / 2**20:.0f} MiB"
    return f"{value:.3g}"


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
