"""Asks a real Prometheus every query of every panel, as Grafana would."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops.dashboards import BOARDS, Board, Line, Panel
from ops.metrics import EVERY, Kind, Metric
from tests.watch.load import Tally
from tests.watch.stack import Prometheus

RATE: Final = "20s"
"""What Grafana makes of a scrape every 5 s: four of them."""
WITHIN: Final = 0.05


@dataclass(frozen=True)
class Asked:
    """One query and what came of it."""

    board: Board
    panel: Panel
    line: Line
    series: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.board.title} / {self.panel.title} / {self.line.legend}"

    @property
    def values(self) -> list[float]:
        return [float(value) for one in self.series for _, value in one["values"]]

    @property
    def numbers(self) -> list[float]:
        """Without those that are none: shares and quantiles of nothing."""
        return [value for value in self.values if not math.isnan(value)]


def lines() -> Iterator[tuple[Board, Panel, Line]]:
    """Those that can have data here: the rest says why it cannot."""
    for board in BOARDS:
        for panel in board.panels:
            if not panel.needs:
                for line in panel.lines:
                    yield board, panel, line


def substituted(query: str, **chosen: str) -> str:
    """With the variables that are chosen, and "all" of the others. A fallback would hide that a
    metric is gone, so none may be left."""
    found = query.replace("$__rate_interval", RATE)
    found = re.sub(r"\$(namespace|release|model|team)", lambda m: chosen.get(m[1], ".*"), found)
    assert "$" not in found, found
    return re.sub(r"\s+or\s+(on\s*\(\)\s+)?vector\([^)]*\)", "", found)


def ask(watching: Prometheus, start: float, end: float, step_s: float = 5) -> list[Asked]:
    return [
        Asked(board, panel, line, watching.over(substituted(line.query.text), start, end, step_s))
        for board, panel, line in lines()
    ]


def silent(asked: list[Asked], *, numbers: bool) -> list[str]:
    """Queries without series, without points, or, where numbers are wanted, without any."""
    return [one.name for one in asked if not (one.numbers if numbers else one.values)]


def unknown(watching: Prometheus) -> list[str]:
    """Rows that panels read and Prometheus has not."""
    rows = {row for _, _, line in lines() for row in line.query.rows}
    return sorted(row.name for row in rows if not watching.now(f"count({_series(row)})"))


def compared(
    watching: Prometheus, tally: Tally, start: float, end: float
) -> dict[str, tuple[float, float]]:
    """What each panel of rates adds up to, and what the clients counted, by series."""
    found: dict[str, tuple[float, float]] = {}
    for board, panel, line in lines():
        if line.query.counts:
            for one in watching.over(substituted(line.query.text), start, end, 1):
                expected = tally.expected(line.query.rows[0], one["metric"])
                if expected is not None:
                    shown = sum(float(value) for _, value in one["values"])
                    name = f"{Asked(board, panel, line, []).name} / {_named(one['metric'])}"
                    found[name] = shown, expected
    return found


def wrong(pairs: Mapping[str, tuple[float, float]]) -> list[str]:
    return [
        f"{name}: {shown:.1f} shown, {expected:g} counted"
        for name, (shown, expected) in pairs.items()
        if abs(shown - expected) > max(WITHIN * expected, 0.01)
    ]


def recorded(watching: Prometheus) -> dict[str, list[str]]:
    """The labels that each declared series has, live; by the names that are in the scrape."""
    return {
        name: sorted(labels)
        for row in EVERY
        for name in _parts(row)
        if (labels := _labels(watching, name))
    }


def _labels(watching: Prometheus, name: str) -> set[str]:
    found = watching.now(name)
    return {label for of in found for label, _ in of if label != "__name__"}


def _parts(row: Metric) -> tuple[str, ...]:
    if row.kind is Kind.HISTOGRAM:
        return tuple(f"{row.name}{suffix}" for suffix in ("_bucket", "_count", "_sum"))
    return (row.name,)


def _series(row: Metric) -> str:
    return _parts(row)[0]


def _named(metric: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items())) or "all"
