"""What becomes of each pool when the cluster file is another, and what that costs. Pure.

Serve replaces the replicas of an application whose arguments or environment are others, in a way
that is `deploy.replacing`'s to say; what it is told beside these it changes in place. So both files
are turned into what Serve is told and compared there: a key of the file needs no entry here to be
known.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from deploy.config import Cluster
from deploy.local.applications import text_of
from deploy.local.pools import pools_of
from deploy.reading import Place
from deploy.replacing import Way, replacing, replicas_of, start_s
from serving.pools.engine import Pool
from serving.values import ModelName


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    ROLLED = "rolled"
    """Replica by replica, while the others answer."""
    SURGED = "surged"
    """Its only replica, by one that is up before it leaves."""
    REPLACED = "replaced"
    """Its only replica: the pool is away meanwhile."""
    SCALED = "scaled"
    ADJUSTED = "adjusted"
    """In place."""


_KINDS: Final = {
    Way.ONE_AT_A_TIME: Kind.ROLLED,
    Way.SURGE: Kind.SURGED,
    Way.ANNOUNCED: Kind.REPLACED,
}


@dataclass(frozen=True, slots=True)
class PoolChange:
    name: ModelName
    kind: Kind
    keys: tuple[str, ...]
    """Of the cluster file, by which it comes to be."""
    cost: str
    """For whoever decides whether now is the time."""


def changed(
    old: Cluster, new: Cluster, places: Iterable[Place], roomy: Container[ModelName]
) -> Iterator[PoolChange]:
    """`roomy` are the pools that have room for one replica more (`deploy.room`)."""
    before, after = _deployed(old), _deployed(new)
    for name in dict.fromkeys([*before, *after]):
        kind, cost = _what(before.get(name), after.get(name), new, has_room=name in roomy)
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
    before: _Deployed | None, after: _Deployed | None, new: Cluster, *, has_room: bool
) -> tuple[Kind | None, str]:
    if after is None or before is None:
        there = after or before
        return (None, "") if there is None else _comes_or_goes(there.pool, after is not None, new)
    if before.version != after.version:
        made = replacing(after.pool, has_room=has_room)
        return _KINDS[made.way], made.says
    if before.pool.spec.replicas != after.pool.spec.replicas:
        return Kind.SCALED, (
            f"from {replicas_of(before.pool)} to {replicas_of(after.pool)}; one that leaves "
            "finishes its answers, and no other is touched"
        )
    if before.adjustable != after.adjustable:
        return Kind.ADJUSTED, "in place: no replica is touched"
    return None, ""


def _comes_or_goes(pool: Pool, comes: bool, new: Cluster) -> tuple[Kind, str]:
    if comes:
        return Kind.ADDED, f"{replicas_of(pool)}, ready in about {start_s(pool)} s"
    return Kind.REMOVED, (
        "no longer offered, who asks for it is told 404; its answers under way finish, within "
        f"{new.longest_answer:g} s"
    )


def _concerns(place: Place, name: ModelName, new: Cluster, old: Cluster) -> bool:
    match place:
        case ("models", model, *_):
            return model == name
        case ("gpus", group, *_):
            return any(name in each.models and each.models[name].on == group for each in (new, old))
        case ("weights", *_) | ("longestAnswer",) | ("tracing",) | ("tracing", "endpoint"):
            return name in new.models and name in old.models
    return False
