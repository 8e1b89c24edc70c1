"""What the endpoint says of its models and of itself: plain values, ready to be encoded."""

from typing import Any

from serving.gateway.pool import Pools, PoolSnapshot
from serving.gateway.service import Served, Service
from serving.routing import VIRTUAL, Family
from serving.routing.family import Depth
from serving.values import Mode, ModelName


def entries(service: Service, pools: Pools, created: int) -> list[dict[str, Any]]:
    """Of `GET /v1/models`: OpenAI's fields, and what a client may want to know before it asks."""
    real = [
        _model(name, served, service.family, _why_not(name, service, pools), created)
        for name, served in service.served.items()
    ]
    return [*real, *(_virtual(name, service, pools, created) for name in VIRTUAL)]


def readiness(pools: Pools, *, any_will_do: bool) -> tuple[bool, dict[str, Any]]:
    """`GET /ready`: whether every pool is, or with `?any` whether one is, or was.

    A Service leads nobody to a gateway that is not ready. One whose last pool goes away stays so:
    it lets requests wait and tells when to come again, which a refused connection does not.
    """
    snapshots = pools.snapshots()
    every = all(snapshot.ready for snapshot in snapshots.values())
    ready = pools.ever_ready if any_will_do else every
    return ready, {"ready": ready, "pools": {n: _pool(s) for n, s in snapshots.items()}}


def _pool(snapshot: PoolSnapshot) -> dict[str, Any]:
    return {
        "ready": snapshot.ready,
        "state": snapshot.status.state,
        "reason": snapshot.why_not,
        "replicas": len(snapshot.replicas),
        "answering": sum(not replica.failing for replica in snapshot.replicas),
    }


def _model(
    name: ModelName, served: Served, family: Family, why_not: str | None, created: int
) -> dict[str, Any]:
    return _entry(
        name,
        created,
        context=served.facts.context,
        modes=served.facts.modes.offered,
        reason=why_not,
        aliases=family.aliases(name),
    )


def _why_not(name: ModelName, service: Service, pools: Pools) -> str | None:
    """A pool that is drained is ready to its gateway, and not to who would ask it."""
    if name in service.standing.held.drained:
        return "an operator drains it"
    return pools.snapshot(name).why_not


def _virtual(name: str, service: Service, pools: Pools, created: int) -> dict[str, Any]:
    """Ready when all that it may stand for are."""
    family = service.family
    fast_and_deep = tuple(dict.fromkeys((family.fast, family.deep)))
    behind = fast_and_deep if name not in tuple(Depth) else (family.at(Depth(name)),)
    modes = tuple(mode for mode in Mode if any(mode in family.modes(model) for model in behind))
    waits = [f"{m}: {why}" for m in behind if (why := _why_not(m, service, pools))]
    return _entry(
        name,
        created,
        context=min(service.served[model].facts.context for model in behind),
        modes=modes,
        reason="; ".join(waits) or None,
        aliases=(),
    )


def _entry(
    name: str,
    created: int,
    *,
    context: int,
    modes: tuple[Mode, ...],
    reason: str | None,
    aliases: tuple[str, ...],
) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "bifocal",
        "context": context,
        "modes": modes,
        "ready": reason is None,
        "reason": reason,
        "aliases": aliases,
    }
