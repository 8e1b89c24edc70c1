"""What is marked on every board: deploys and scaling."""

from typing import Final

from ops.dashboards.board import Mark
from ops.dashboards.query import changed, each, of_gateways
from ops.metrics import process, table

MARKS: Final = (
    Mark(
        "Gateway started",
        of_gateways(each(process.STARTED)).times(1000),
        "{{instance}}",
        "blue",
        at_value=True,
    ),
    Mark(
        "Pool scaled",
        changed(table.POOL_WANTED, "model").happens(),
        "{{model}} wants another number of replicas",
        "orange",
    ),
    Mark(
        "Replicas came or went",
        changed(table.POOL_REPLICAS, "model").happens(),
        "{{model}}",
        "purple",
    ),
)
