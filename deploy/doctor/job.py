"""What the process that goes to a Ray cluster is given, and what it gives back. Both travel as
JSON."""

from dataclasses import dataclass
from typing import Final

from deploy.doctor.machine import Machine
from deploy.doctor.reduction import Asked, Reduced

NODES_LIMIT_S: Final = 30.0
"""A node starts a process to look at itself: three to ten seconds on a busy one."""
PLACED_WITHIN_S: Final = 20.0
"""Room that is there is given in milliseconds."""
HEARD_OUT_S: Final = 5.0
"""Torch gives up at the limit, and is heard out."""
STEPS: Final = 4
"""Of a pool's ranks, each with the pool's limit: start, invite, meet, sum."""
CONNECTED_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Job:
    address: str
    """Of the head: `10.0.0.1:6379`."""
    pools: tuple[Asked, ...]

    @property
    def longest_s(self) -> float:
        """All of it, where nothing answers."""
        of_pools = sum(
            PLACED_WITHIN_S + STEPS * (each.limit_s + HEARD_OUT_S) for each in self.pools
        )
        return CONNECTED_WITHIN_S + NODES_LIMIT_S + HEARD_OUT_S + of_pools


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    address: str
    machine: Machine | None
    """None for one that did not answer."""


@dataclass(frozen=True, slots=True)
class Report:
    nodes: tuple[Node, ...]
    reduced: tuple[Reduced, ...]
