"""What becomes of each pool when the cluster file is another, and what that costs. Pure.

Serve replaces the replicas of an application whose arguments or environment are others, one or a
fifth of them at a time, the old before the new; what it is told beside these it changes in place.
So both files are turned into what Serve is told and compared there: a key of the file needs no
entry here to be known.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from deploy.config import Cluster
from deploy.local.applications import text_of
from deploy.local.pools import pools_of
from deploy.reading import Place
from serving.config import Replicas
from serving.gateway.loading import expected_start_s
from serving.pools.engine import Pool
from serving.values import ModelName

AT_ONCE: Final = 5
"""Of so many replicas Serve replaces one at a time, and of more in proportion: its
`rolling_update_percentage` is 0.2."""


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    ROLLED = "rolled"
    """Replica by replica, while the others answer."""
    REPLACED = "replaced"
    """Its only replica: the pool is away meanwhile."""
    SCALED = "scaled"
    ADJUSTED = "adjusted"
    """In place."""


@dataclass(frozen=True, slots=True)
class PoolChange:
    name: ModelName
    kind: Kind
    keys: tuple[str, ...]
    """Of the cluster file, by which it comes to be."""
    cost: str
    """For whoever decides whether now is the time."""


def changed(old: Cluster, new: Cluster, places: Iterable[Place]) -> Iterator[PoolChange]:
    before, after = _deployed(old), _deployed(new)
    for name in dict.fromkeys([*before, *after]):
        kind, cost = _what(before.get(name), after.get(name), new)
        if kind is not None:
            keys = tuple(".".join(place) for place in places if _concerns(place, name, new, old))
            yield PoolChange(name, kind, keys, cost)


@dataclass(frozen=True, slots=True)
class _Deployed:
    """A pool, and what Serve is told of it."""

    pool: Pool
    version: Any
    """Replicas of another one are other replicas. Whether a pool is scaled belongs to it: Serve
    takes the policy for code."""
    adjustable: Mapping[str, Any]


def _deployed(cluster: Cluster) -> dict[ModelName, _Deployed]:
    pools = pools_of(cluster)
    text = text_of(pools, proxy_port=0, longest_answer_s=cluster.longest_answer, cache="")
    return {
        pool.name: _Deployed(
            pool,
            ({**application, "deployments": None}, "autoscaling_config" in adjustable),
            adjustable,
        )
        for pool, application in zip(pools, text["applications"], strict=True)
        for adjustable in application["deployments"]
    }


def _what(
    before: _Deployed | None, after: _Deployed | None, new: Cluster
) -> tuple[Kind | None, str]:
    if after is None or before is None:
        there = after or before
        return (None, "") if there is None else _comes_or_goes(there.pool, after is not None, new)
    if before.version != after.version:
        return _restarts(after.pool)
    if before.pool.spec.replicas != after.pool.spec.replicas:
        return Kind.SCALED, (
            f"from {_replicas(before.pool)} to {_replicas(after.pool)}; one that leaves finishes "
            "its answers, and no other is touched"
        )
    if before.adjustable != after.adjustable:
        return Kind.ADJUSTED, "in place: no replica is touched"
    return None, ""


def _comes_or_goes(pool: Pool, comes: bool, new: Cluster) -> tuple[Kind, str]:
    if comes:
        return Kind.ADDED, f"{_replicas(pool)}, ready in about {_start_s(pool)} s"
    return Kind.REMOVED, (
        "no longer offered, who asks for it is told 404; its answers under way finish, within "
        f"{new.longest_answer:g} s"
    )


def _restarts(pool: Pool) -> tuple[Kind, str]:
    count, seconds = pool.spec.bounds.min, _start_s(pool)
    gang = (
        "; answers under way on one that is replaced end with an error, since Serve does not wait "
        "for data-parallel engines"
        if pool.layout.data > 1
        else ""
    )
    if count > 1:
        batch = "one" if count < 2 * AT_ONCE else f"{count // AT_ONCE}"
        return Kind.ROLLED, (
            f"{_replicas(pool)}, {batch} at a time, each away for about {seconds} s while the "
            f"others answer; no request is lost{gang}"
        )
    return Kind.REPLACED, (
        f"its only replica leaves before the next one starts: who asks meanwhile, for about "
        f"{seconds} s, is told 503 with Retry-After" + (gang or "; answers under way finish")
    )


def _concerns(place: Place, name: ModelName, new: Cluster, old: Cluster) -> bool:
    match place:
        case ("models", model, *_):
            return model == name
        case ("gpus", group, *_):
            return any(name in each.models and each.models[name].on == group for each in (new, old))
        case ("weights", *_) | ("longestAnswer",):
            return name in new.models and name in old.models
    return False


def _replicas(pool: Pool) -> str:
    replicas = pool.spec.replicas
    if isinstance(replicas, Replicas):
        return f"{replicas.min} to {replicas.max} replicas"
    return f"{replicas} replica" + ("s" if replicas > 1 else "")


def _start_s(pool: Pool) -> int:
    return round(expected_start_s(pool.facts, pool.spec.precision))
