"""How long ranks wait for each other's bytes in one layer, and between two stages.

Rings: an all-reduce over n ranks moves 2 (n-1)/n of the tensor over each link, an all-gather and a
reduce-scatter (n-1)/n each. NVLink's multicast, which is faster for large tensors, is not counted.
"""

from dataclasses import dataclass

from serving.layout.attainable import (
    LINK,
    NETWORK_LATENCY_S,
    NVLINK_LATENCY_S,
    PCIE_LATENCY_S,
    network,
)
from serving.layout.values import Demand, Nodes, Sizes
from serving.layout.weights import element_bytes


@dataclass(frozen=True, slots=True)
class Link:
    """Between the ranks of a group; its slowest piece counts."""

    bytes_per_s: float
    latency_s: float

    def seconds(self, sent: float) -> float:
        """Of `sent` bytes over each rank's link; nothing is sent in no time."""
        return self.latency_s + sent / self.bytes_per_s if sent else 0.0


def link(nodes: Nodes, span: int) -> Link:
    """Of a group that lies within `span` neighbouring GPUs."""
    kind = nodes.kind
    if span > nodes.per_node:
        return Link(LINK * network(kind), NETWORK_LATENCY_S)
    return Link(LINK * kind.link, NVLINK_LATENCY_S if kind.nvlink else PCIE_LATENCY_S)


def of_a_layer(demand: Demand, sizes: Sizes, tokens: float, peers: float) -> float:
    """Seconds. `tokens` of one data rank are reduced over its tensor ranks after attention and
    after the FFN; where attention is data parallel, `peers` of all data ranks are gathered for the
    experts and scattered back instead of the second (vLLM's `allgather_reducescatter`)."""
    t, d = sizes.tensor, sizes.data
    row = demand.model.hidden * element_bytes(demand.precision)
    reduce = link(demand.nodes, t).seconds(2 * (t - 1) / t * tokens * row)
    gather = link(demand.nodes, sizes.gpus).seconds((d - 1) / d * peers * row)
    return reduce + 2 * gather if d > 1 else 2 * reduce


def between_stages(demand: Demand, sizes: Sizes, tokens: float) -> float:
    """Seconds of one hop: hidden state and residual, each tensor rank its share."""
    if sizes.pipeline == 1:
        return 0.0
    row = 2 * demand.model.hidden * element_bytes(demand.precision) / sizes.tensor
    return link(demand.nodes, sizes.tensor * sizes.pipeline).seconds(tokens * row)
