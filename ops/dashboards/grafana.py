"""Boards in Grafana's words: the schema of 11.6, which later ones read too."""

import json
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from ops.dashboards.board import Board, Mark, Panel
from ops.dashboards.marks import MARKS
from ops.metrics import Metric
from ops.metrics.table import IN_FLIGHT, POOL_REPLICAS, REQUESTS

TAG: Final = "bifocal"
HEIGHT: Final = 8
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOICES: Final = (
    ("namespace", "Namespace", IN_FLIGHT),
    ("release", "Release", IN_FLIGHT),
    ("model", "Model", POOL_REPLICAS),
    ("team", "Team", REQUESTS),
)
"""Variables whose values are those of a label of a metric that is always there."""


def text(board: Board) -> str:
    """The file of it."""
    made = json.loads(json.dumps(_built(board), cls=JSONEncoder))
    made["annotations"]["list"] = [_mark(mark) for mark in MARKS]
    for number, panel in enumerate(made["panels"], 1):
        panel["id"] = number
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _built(board: Board) -> Any:
    made = (
        dashboard.Dashboard(f"Bifocal / {board.title}")
        .uid(f"{TAG}-{board.name}")
        .description(board.shows)
        .tags([TAG])
        .refresh("30s")
        .time("now-3h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .annotations([])
        .link(
            dashboard.DashboardLink("Bifocal")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for name, label, row in CHOICES:
        made.with_variable(_choice(name, label, row))
    for section in board.sections:
        made.with_row(dashboard.Row(section.title))
        for panel in section.panels:
            made.with_panel(_glance(panel) if panel.at_a_glance else _course(panel))
    return made.build()


def _choice(name: str, label: str, row: Metric) -> Any:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": f"label_values({row.name}, {name})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _course(panel: Panel) -> Any:
    made = (
        _common(timeseries.Panel(), panel)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(30 if panel.stacked else 5)
        .line_width(1)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    return made


def _glance(panel: Panel) -> Any:
    # A quotient by no requests is no number; what it last was is what is known.
    last = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
    return _common(stat.Panel(), panel).reduce_options(last).no_value("no requests")


def _common(made: Any, panel: Panel) -> Any:
    made.title(panel.title).description(panel.description).unit(panel.unit)
    made.datasource(SOURCE).span(panel.width).height(HEIGHT)
    if panel.unit in {"none", "percentunit", "percent"} and not panel.at_a_glance:
        made.axis_soft_min(0)
    for number, line in enumerate(panel.lines):
        made.with_target(
            prometheus.Dataquery()
            .expr(line.query.text)
            .legend_format(line.legend)
            .ref_id(chr(ord("A") + number))
            .datasource(SOURCE)
            .range()
        )
    return made


def _mark(mark: Mark) -> dict[str, Any]:
    """The toolkit knows only what annotations of every source have."""
    return {
        "name": mark.title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "expr": mark.query.text,
        "iconColor": mark.colour,
        "titleFormat": mark.title,
        "textFormat": mark.text,
        "useValueForTime": mark.at_value,
        "step": "15s",
    }
