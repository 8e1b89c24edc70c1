"""`docs/dashboards.md`: what each panel shows, and what it showed when it was tried.

python -m ops.dashboards.document < tests/watch/seen.json > docs/dashboards.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ops.dashboards import BOARDS, Board, Line, Panel

HEAD: Final = """\
# Dashboards

Four boards for Grafana 11 and later, users first and engines last. They are written by
`python -m ops.dashboards` from the declared metrics ([metrics.md](metrics.md)), lie in
`ops/dashboards/*.json`, and the chart brings them as ConfigMaps that Grafana's sidecar takes up
(`monitoring.enabled`). Elsewhere import the files.

Each board has the variables data source, namespace, release, model and team, links to the others,
and marks where a gateway started, where a pool was scaled, and where replicas came or went. On one
machine there is no namespace and no release; "All" matches that. Each panel's description says what
it shows and what to do.

The boards are tried by `make test-watch`: a real service of two pocket models, a load of three
teams with plain and thinking requests and some errors, a real Prometheus that reads it every 5 s.
Every query must have series of its own metrics, and numbers under load; it must still have its
series when nobody has asked for a minute, and after a replica was killed. What panels of rates add
up to must be what the clients counted, within 5 %%. What it costs a service to be read so often is
in [watched.md](watched.md).

`busy`, `idle` and `after a loss` are series x points, as Prometheus %s gave them on
%s on two cores without a GPU. A share or a quantile of nothing is no number: idle, such a
query has points that Grafana leaves empty.

"""
PICTURES: Final = """\
## Pictures

[service.png](service.png) and [pools.png](pools.png) are drawn from the data of that run, with the
boards' own layout, titles, units and queries; they are not Grafana's rendering.
`BIFOCAL_RECORD=FOLDER make test-watch` writes the data, and
`python -m ops.dashboards.photograph FOLDER/drawn.json docs service pools` draws it.

"""


def document(seen: Mapping[str, Any]) -> str:
    parts = (HEAD % (seen["prometheus"], seen["date"]), *_boards(seen), _missing(), PICTURES)
    return "".join(parts) + "".join(_counted(seen["compared"]))


def _boards(seen: Mapping[str, Any]) -> Iterator[str]:
    for board in BOARDS:
        yield f"## {board.title}\n\n{board.shows}\n\n"
        yield "| panel | query | busy | idle | after a loss |\n|---|---|---|---|---|\n"
        for panel in board.panels:
            if not panel.needs:
                yield from (_row(board, panel, line, seen["lines"]) for line in panel.lines)
        yield "\n"


def _row(board: Board, panel: Panel, line: Line, lines: Mapping[str, Any]) -> str:
    points = lines.get(f"{board.title} / {panel.title} / {line.legend}", {})
    cells = " | ".join(_cell(points.get(when)) for when in ("busy", "idle", "after a loss"))
    return f"| {panel.title} | {line.legend} | {cells} |\n"


def _cell(points: Mapping[str, int] | None) -> str:
    if not points or not points["series"]:
        return "-"
    return f"{points['series']} x {points['points'] // points['series']}"


def _missing() -> str:
    rows = "".join(
        f"| {board.title}, {panel.title} | {panel.needs} |\n"
        for board in BOARDS
        for panel in board.panels
        if panel.needs
    )
    return f"## Not tried here\n\n| panel | why |\n|---|---|\n{rows}\n"


def _counted(compared: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    yield "## Rates beside the clients' own counts\n\n"
    yield "The sum of each rate over the load, and what the clients counted themselves.\n\n"
    yield "| panel and series | panel | clients |\n|---|---|---|\n"
    for name, (shown, counted) in compared.items():
        yield f"| {name} | {shown:.1f} | {counted:g} |\n"


if __name__ == "__main__":
    print(document(json.load(sys.stdin)), end="")
