"""Which rank holds what on which node, and what Ray is asked for.

Blocks of GPUs fill the nodes one after the other and never cross one: an engine that fits into a
node, else a tensor-parallel group. Ranks are in vLLM's order: data-parallel ranks outermost (each
is an engine of its own), then stages, then tensor ranks.
"""

from collections.abc import Mapping
from typing import Final

from serving.layout.stages import experts_of_ranks, layers_of_stages
from serving.layout.values import Demand, Nodes, Rank, Sizes

BUNDLE: Final[Mapping[str, float]] = {"CPU": 1.0, "GPU": 1.0}
"""vLLM's Ray executor puts one worker into each bundle and takes no bundle of several GPUs."""


def groups_of(nodes: Nodes, sizes: Sizes) -> int:
    """Tensor-parallel groups that the nodes have room for."""
    return nodes.per_node // sizes.tensor * nodes.nodes


def block_of(per_node: int, sizes: Sizes) -> int:
    """GPUs that must be on one node."""
    engine = sizes.tensor * sizes.pipeline
    return engine if strategy_of(per_node, sizes) == "STRICT_PACK" else sizes.tensor


def replicas_of(nodes: Nodes, sizes: Sizes) -> int:
    block = block_of(nodes.per_node, sizes)
    return nodes.per_node // block * nodes.nodes // (sizes.gpus // block)


def place(demand: Demand, sizes: Sizes) -> tuple[tuple[Rank, ...], ...]:
    """Of every node its ranks, by GPU; GPUs that are left over hold none."""
    nodes = demand.nodes
    ranks = [
        _rank(demand, sizes, group, tensor)
        for group in range(replicas_of(nodes, sizes) * sizes.pipeline * sizes.data)
        for tensor in range(sizes.tensor)
    ]
    return tuple(tuple(r for r in ranks if r.node == node) for node in range(nodes.nodes))


def _rank(demand: Demand, sizes: Sizes, group: int, tensor: int) -> Rank:
    engine, pipeline = divmod(group, sizes.pipeline)
    replica, data = divmod(engine, sizes.data)
    groups_of_a_node = _groups_of_a_node(demand.nodes, sizes)
    node, place_on_node = divmod(group, groups_of_a_node)
    return Rank(
        node=node,
        gpu=place_on_node * sizes.tensor + tensor,
        replica=replica,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        layers=layers_of_stages(demand.model.layers, sizes.pipeline)[pipeline],
        experts=_experts(demand, sizes, data * sizes.tensor + tensor),
    )


def _groups_of_a_node(nodes: Nodes, sizes: Sizes) -> int:
    block = block_of(nodes.per_node, sizes)
    return nodes.per_node // block * (block // sizes.tensor)


def _experts(demand: Demand, sizes: Sizes, rank: int) -> range:
    experts = demand.model.experts
    if not sizes.expert:
        return range(experts)
    return experts_of_ranks(experts, sizes.expert_parallel_size)[rank]


def bundles_of(sizes: Sizes) -> tuple[Mapping[str, float], ...]:
    """Of one engine: Ray Serve LLM makes a placement group for each data-parallel rank."""
    return (BUNDLE,) * (sizes.tensor * sizes.pipeline)


def strategy_of(per_node: int, sizes: Sizes) -> str:
    """Together on one node where they fit, else on as few as they can; vLLM then orders workers by
    node, so that a tensor-parallel group is on one. Ray Serve LLM packs data-parallel ranks."""
    one_node = sizes.tensor * sizes.pipeline <= per_node
    return "STRICT_PACK" if one_node and sizes.data == 1 else "PACK"
