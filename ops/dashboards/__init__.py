"""Dashboards for Grafana, made of the metrics' declarations: users first, engines last.

`python -m ops.dashboards` writes them anew, here and for the chart.
"""

from ops.dashboards.board import Board, Line, Mark, Panel
from ops.dashboards.cluster import CLUSTER
from ops.dashboards.decisions import DECISIONS
from ops.dashboards.grafana import text
from ops.dashboards.marks import MARKS
from ops.dashboards.pools import POOLS
from ops.dashboards.query import Query
from ops.dashboards.service import SERVICE

BOARDS = (SERVICE, DECISIONS, POOLS, CLUSTER)

__all__ = ["BOARDS", "MARKS", "Board", "Line", "Mark", "Panel", "Query", "text"]
