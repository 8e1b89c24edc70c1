"""The sizes that are worth trying on the nodes, before any rule is asked."""

from collections.abc import Iterator
from typing import Final

from serving.catalog import ModelFacts
from serving.layout.placement import groups_of
from serving.layout.values import Nodes, Sizes

LARGEST_REPLICA: Final = 128
"""GPUs: Qwen3 has 128 experts, and no recipe spreads one replica further."""


def candidates(model: ModelFacts, nodes: Nodes) -> Iterator[Sizes]:
    """Every way to fill the nodes, and powers of two that leave some GPUs over. Data-parallel
    attention comes with expert parallelism, and without experts it is nothing but replicas."""
    for tensor in range(1, nodes.per_node + 1):
        groups = min(groups_of(nodes, Sizes(tensor=tensor)), LARGEST_REPLICA // tensor)
        for pipeline in _counts(groups):
            yield Sizes(tensor=tensor, pipeline=pipeline)
            if model.is_moe:
                yield from _spread(tensor, pipeline, groups // pipeline)


def _spread(tensor: int, pipeline: int, groups: int) -> Iterator[Sizes]:
    for data in _counts(groups):
        if tensor * data > 1:
            yield Sizes(tensor=tensor, pipeline=pipeline, data=data, expert=True)


def _counts(most: int) -> list[int]:
    return [n for n in range(1, most + 1) if most % n == 0 or n & (n - 1) == 0]
