"""Metrics: the table (`TABLE`), and the observer that fills it. It serves no HTTP."""

from ops.metrics.observer import PrometheusObserver
from ops.metrics.table import TABLE, Kind, Metric

__all__ = ["TABLE", "Kind", "Metric", "PrometheusObserver"]
