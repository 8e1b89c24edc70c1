"""Prometheus' rules, made of the metrics' declarations.

Each alert says which promise is broken or what is wrong, for whom, and names the page that helps
(`ops/runbooks`). `python -m ops.alerts` writes them anew, here and for the chart.
"""

from ops.alerts.rules import Alert, Group, Record
from ops.alerts.written import GROUPS, written

__all__ = ["GROUPS", "Alert", "Group", "Record", "written"]
