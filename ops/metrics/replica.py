"""What a replica's door adds to the page of its engine; discovery names model and replica."""

from typing import Final

from ops.metrics.engine import FOUND
from ops.metrics.table import Kind, Metric
from serving.pools import started

START_STEP: Final = Metric(
    started.METRIC,
    Kind.GAUGE,
    "seconds",
    f"{started.MEANING}; steps as in [start.md](start.md)",
    (*FOUND, "step"),
)
REPLICA: Final = (START_STEP,)
