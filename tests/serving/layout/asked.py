"""Short ways to ask for a plan."""

from serving.catalog import CATALOG, ModelFacts
from serving.layout import Demand, Nodes, Precision
from serving.layout.gpus import kind
from serving.values import ModelName


def facts(name: str) -> ModelFacts:
    return CATALOG[ModelName(name)]


def demand(
    model: str,
    precision: str = "bf16",
    gpu: str = "h100-80g",
    per_node: int = 8,
    nodes: int = 1,
    context: int | None = None,
    concurrency: int | None = None,
) -> Demand:
    return Demand(
        facts(model),
        Precision(precision),
        Nodes(kind(gpu), per_node, nodes),
        context,
        concurrency,
    )
