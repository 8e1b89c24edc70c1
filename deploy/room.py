"""Whether a group of nodes has room for one more replica of a pool, wherever others stand. Pure.

Ray places replicas and nobody moves them, so room that depends on where they happen to be is none:
a replica that waits for it would wait for good. Room is certain by counting: a free GPU more than
all nodes can hide from a block of that size.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from deploy.fitting import sizes_of
from serving.layout.placement import block_of
from serving.pools.engine import Pool
from serving.values import ModelName

ENOUGH: Final = 1_000_000
"""GPUs of a node of which it is not known how many it has."""


@dataclass(frozen=True, slots=True)
class Place:
    """Like nodes; on a CPU its cores are what GPUs are elsewhere."""

    name: str
    per_node: int
    nodes: int = 1

    @classmethod
    def of(cls, pool: Pool) -> "Place":
        hardware = pool.hardware
        return cls(pool.spec.on, hardware.per_node or ENOUGH, hardware.nodes)


@dataclass(frozen=True, slots=True)
class Blocks:
    """GPUs that must be on one node, and how many times so many."""

    size: int
    number: int

    @classmethod
    def of(cls, pool: Pool, place: Place, replicas: int) -> "Blocks":
        """As the planner places them."""
        size = block_of(place.per_node, sizes_of(pool.layout))
        return cls(size, replicas * pool.layout.ranks // size)

    @property
    def gpus(self) -> int:
        return self.size * self.number


def is_certain(place: Place, standing: Iterable[Blocks], wanted: Blocks) -> bool:
    """However `standing` is spread over the nodes, `wanted` finds room."""
    standing = tuple(standing)
    unit = _unit(place, [*standing, wanted])
    size = wanted.size // unit
    free = (place.per_node * place.nodes - sum(blocks.gpus for blocks in standing)) // unit
    hidden = place.nodes * (size - 1)
    return free > hidden + (wanted.number - 1) * size


def _unit(place: Place, blocks: Iterable[Blocks]) -> int:
    """Where all sizes are multiples of the smallest, no node is left with a part of it."""
    sizes = [each.size for each in blocks if each.number]
    smallest = min(sizes, default=1)
    return smallest if all(size % smallest == 0 for size in (place.per_node, *sizes)) else 1


def roomy(
    old: Iterable[Pool], new: Iterable[Pool], place_of: Callable[[Pool], Place] = Place.of
) -> frozenset[ModelName]:
    """Pools of `new` that have room for one replica more, beside all that run as `old`, or shall.

    A pool that is scaled counts with the most replicas that it may have. On Kubernetes nobody
    knows `old` where the text is made: it is `new` twice then.
    """
    before = {pool.name: pool for pool in old}
    after = {pool.name: pool for pool in new}

    def has_room(pool: Pool) -> bool:
        place = place_of(pool)
        # Of the one that asks, only what is to be replaced: with its next replicas counted too,
        # none would ever have room.
        kinds = {**{name: [each] for name, each in after.items()}, pool.name: list[Pool]()}
        for name, each in before.items():
            kinds.setdefault(name, []).append(each)
        standing = [_most(each, place, place_of) for each in kinds.values()]
        return is_certain(place, standing, Blocks.of(pool, place, 1))

    return frozenset(name for name, pool in after.items() if has_room(pool))


def _most(kinds: Iterable[Pool], place: Place, place_of: Callable[[Pool], Place]) -> Blocks:
    """What a pool may have there while it becomes another."""
    found = [
        Blocks.of(pool, place, max(1, pool.spec.bounds.max))
        for pool in kinds
        if place_of(pool) == place
    ]
    return max(found, key=lambda blocks: (blocks.gpus, blocks.size), default=Blocks(1, 0))
