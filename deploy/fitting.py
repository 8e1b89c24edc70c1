"""Whether the pools of a group of GPUs find room on it, all together. Pure.

Each pool has room for the most replicas that it may have, beside the fewest of the others: so the
GPUs that a group has to spare are there for whichever of its pools grows, and never promised to one
that could not have them.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from serving.config import LayoutSpec, ModelSpec
from serving.layout import Nodes, Sizes
from serving.layout.gpus import GpuKind
from serving.layout.placement import block_of
from serving.values import ModelName

NOBODY: Final = ModelName("")


class Group(Protocol):
    """Like nodes, as the cluster file has them under `gpus`."""

    @property
    def kind(self) -> str: ...
    @property
    def per_node(self) -> int: ...
    @property
    def nodes(self) -> int: ...


Models = Mapping[ModelName, ModelSpec]
Counts = Mapping[ModelName, int]


def least(spec: ModelSpec) -> int:
    """Replicas that are always there; of a pool that may sleep, the one that is woken."""
    return max(1, spec.bounds.min)


def most(spec: ModelSpec) -> int:
    """Replicas that must find room at some time."""
    return max(1, spec.bounds.max)


def sizes_of(layout: LayoutSpec) -> Sizes:
    return Sizes(layout.tensor, layout.pipeline, layout.data, layout.expert)


def without_room(group: str, gpu: GpuKind, has: Group, filled: Models) -> Iterator[str]:
    """More GPUs than there are, or than stand together, in the first case in which it is so: with
    every pool at its fewest replicas, and with each in turn at its most."""
    growing = [name for name, spec in filled.items() if most(spec) > least(spec)]
    for grown in (NOBODY, *growing):
        counts = {n: (most if n == grown else least)(spec) for n, spec in filled.items()}
        if said := _too_many(has, filled, counts) or _scattered(gpu, has, filled, counts):
            parts = [f"{n} {count} x {filled[n].layout.ranks}" for n, count in counts.items()]
            with_all = ", ".join([*parts, f"with {grown} at its max"] if grown else parts)
            yield f"gpus.{group}: {said.format(with_all)}"
            return


def taken(filled: Models) -> int:
    """GPUs that the pools have at most, where all may grow at once."""
    return sum(most(spec) * spec.layout.ranks for spec in filled.values())


def _too_many(has: Group, filled: Models, counts: Counts) -> str:
    needs = sum(count * filled[name].layout.ranks for name, count in counts.items())
    total = has.per_node * has.nodes
    return f"its models need {needs} GPUs ({{}}); it has {total}" if needs > total else ""


def _scattered(gpu: GpuKind, has: Group, filled: Models, counts: Counts) -> str:
    """Blocks that must be on one node are placed from the largest on, each where the fewest GPUs
    are left, which finds room wherever sizes divide each other."""
    free = [has.per_node] * has.nodes
    for block, name in _blocks(Nodes(gpu, has.per_node, has.nodes), filled, counts):
        roomy = [node for node, left in enumerate(free) if left >= block]
        if not roomy:
            return (
                f"its models ({{}}) do not fit on {has.nodes} nodes of {has.per_node} GPUs: {name} "
                f"needs {block} together on one, and beside the others no node has more than "
                f"{max(free)} left"
            )
        free[min(roomy, key=free.__getitem__)] -= block
    return ""


def _blocks(nodes: Nodes, filled: Models, counts: Counts) -> list[tuple[int, ModelName]]:
    """The GPUs that must be on one node, the largest number first, each with whose they are."""
    found = []
    for name, spec in filled.items():
        block = block_of(nodes.per_node, sizes_of(spec.layout))
        found += [(block, name)] * (counts[name] * spec.layout.ranks // block)
    return sorted(found, key=lambda one: -one[0])
