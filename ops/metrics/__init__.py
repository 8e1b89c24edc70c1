"""Metrics: all that is watched (`EVERY`), and the observer that fills the gateway's part of it
(`TABLE`). It serves no HTTP."""

from ops.metrics.engine import ENGINE
from ops.metrics.observer import PrometheusObserver
from ops.metrics.process import PROCESS
from ops.metrics.ray import RAY
from ops.metrics.replica import REPLICA
from ops.metrics.table import TABLE, Kind, Metric

EVERY = (*TABLE, *PROCESS, *ENGINE, *REPLICA, *RAY)

__all__ = ["ENGINE", "EVERY", "PROCESS", "RAY", "TABLE", "Kind", "Metric", "PrometheusObserver"]
