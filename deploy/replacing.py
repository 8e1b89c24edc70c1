"""How the replicas of a pool are replaced by others, what that costs whom, and for how long. Pure.

One decision for `bifocal apply`, which does it, and for whoever only says it. It follows from the
number of replicas, from the room beside them (`deploy.room`) and, where a pool must be away, from
what the cluster file says of that (`holdFor`, `instead`). Serve does the replacing: the old one
first, or with `max_surge_percent` the new one first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from deploy.room import roomy
from serving.config import ModelSpec, Replicas
from serving.gateway.loading import expected_start_s
from serving.pools.engine import Pool
from serving.values import ModelName

AT_ONCE: Final = 5
"""Of so many replicas Serve replaces one at a time, and of more in proportion: its
`rolling_update_percentage` is 0.2."""


class Way(StrEnum):
    ONE_AT_A_TIME = "one at a time"
    """While the others answer."""
    SURGE = "surge"
    """The next one is up before the only one leaves."""
    ANNOUNCED = "announced"
    """The only one leaves first: the pool is away meanwhile, and the gateway's clients are told."""


@dataclass(frozen=True, slots=True)
class Replacing:
    way: Way
    lasts_s: int
    """Until the last one is up, answers under way on those that leave not counted."""
    away_s: int
    """Of these, how long nobody is there to answer."""
    says: str
    """For whoever decides whether now is the time."""


def replacing(after: Pool, *, has_room: bool) -> Replacing:
    """`after` is the pool as it shall be; `has_room` for one replica more beside what runs."""
    count, seconds = after.spec.bounds.min, start_s(after)
    if count > 1:
        batch = 1 if count < 2 * AT_ONCE else count // AT_ONCE
        says = (
            f"{replicas_of(after)}, {'one' if batch == 1 else batch} at a time, each away for about"
            f" {seconds} s while the others answer; no request is lost"
        )
        return Replacing(Way.ONE_AT_A_TIME, ceil(count / batch) * seconds, 0, says)
    if has_room:
        says = (
            f"there is room for one more: the next one is up, in about {seconds} s, before the "
            "only one leaves; no request is lost"
        )
        return Replacing(Way.SURGE, seconds, 0, says)
    says = (
        "its only replica leaves before the next one starts, for which there is no room beside "
        f"it; answers under way finish. Who asks from then on, for about {seconds} s after the "
        f"last of them, {_meanwhile(after.spec)}"
    )
    return Replacing(Way.ANNOUNCED, seconds, seconds, says)


def surging(pools: Iterable[Pool]) -> frozenset[ModelName]:
    """Of a group whose text is made without knowing what runs: pools whose only replica has room
    for the next one beside all that shall run."""
    pools = tuple(pools)
    only = {pool.name for pool in pools if pool.spec.bounds.min <= 1}
    return roomy(pools, pools) & only


def _meanwhile(spec: ModelSpec) -> str:
    waits = f"waits up to {spec.hold_for:g} s and then " if spec.hold_for else ""
    if spec.instead is None:
        return f"{waits}is told 503 with Retry-After"
    return f"{waits}is answered by {spec.instead}, which the answer says (x-bifocal-instead-of)"


def replicas_of(pool: Pool) -> str:
    replicas = pool.spec.replicas
    if isinstance(replicas, Replicas):
        return f"{replicas.min} to {replicas.max} replicas"
    return f"{replicas} replica" + ("s" if replicas > 1 else "")


def start_s(pool: Pool) -> int:
    return round(expected_start_s(pool.facts, pool.spec.precision))
