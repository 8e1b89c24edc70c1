"""What another cluster file changes in a running service, and what it cannot. Pure.

What becomes of each pool is `pool_changes`' to say. What only the gateway reads needs another
gateway, and what was fixed when Ray started, another start.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.config import Cluster
from deploy.groups import GpuSpec
from deploy.local.pool_changes import PoolChange, changed
from deploy.local.pools import pools_of
from deploy.reading import Place
from deploy.room import Place as Nodes
from deploy.room import roomy
from serving.pools.engine import Pool
from serving.values import ModelName


@dataclass(frozen=True, slots=True)
class Changes:
    pools: tuple[PoolChange, ...] = ()
    gateway: tuple[str, ...] = ()
    """Keys for which another gateway takes over."""
    without_effect: tuple[str, ...] = ()
    """Keys that differ and that nobody reads who runs here."""
    refused: tuple[str, ...] = ()
    """What a running service cannot be changed to, and why; nothing is done then."""
    beside: bool = True
    """Whether pools that are added have room beside those that are removed."""

    @property
    def nothing(self) -> bool:
        return not (self.pools or self.gateway or self.without_effect or self.refused)


def changes(
    old: Cluster, new: Cluster, *, cpus: int, too_large: frozenset[ModelName] = frozenset()
) -> Changes:
    """`old` is what runs, `new` what shall; `cpus` those that Ray counts with, and `too_large` the
    pools of which one replica more does not fit into the machine's memory."""
    places = differing(old, new)
    pools = tuple(changed(old, new, places, _roomy(old, new, cpus) - too_large))
    gateway = tuple(place for place in places if _is_the_gateways(place, old, new))
    told = {key for change in pools for key in change.keys} | set(map(_key, gateway))
    fixed = {_key(place): why for place in places if (why := _fixed(place, new))}
    there = pools_of(new)
    leaving = [pool for pool in pools_of(old) if pool.name not in {each.name for each in there}]
    return Changes(
        pools=pools,
        gateway=tuple(map(_key, gateway)),
        without_effect=tuple(key for key in map(_key, places) if key not in {*told, *fixed}),
        refused=(
            *(f"{key}: {why}; `bifocal down` and `up` change it" for key, why in fixed.items()),
            *_too_many_cpus(there, cpus),
        ),
        beside=_fit([*there, *leaving], {**old.gpus, **new.gpus}, cpus),
    )


def _roomy(old: Cluster, new: Cluster, cpus: int) -> frozenset[ModelName]:
    """By the groups of the file, and by the CPUs of Ray, which all groups of the kind `cpu` share
    on one machine."""
    before, after = pools_of(old), pools_of(new)

    def by_ray(pool: Pool) -> Nodes:
        return Nodes("", cpus) if pool.hardware.cpu else Nodes.of(pool)

    return roomy(before, after) & roomy(before, after, by_ray)


def as_it_listens(new: Cluster, old: Cluster) -> Cluster:
    """Port 0 asks for a free one, and that which the service has is one."""
    if new.gateway.port:
        return new
    gateway = new.gateway.model_copy(update={"port": old.gateway.port})
    return new.model_copy(update={"gateway": gateway})


def differing(old: Cluster, new: Cluster) -> tuple[Place, ...]:
    """Where they do; a default that is written out does not, and a model or a group of GPUs that
    only one of them has is one place."""
    before, after = _flat(old), _flat(new)
    places = [place for place in {**before, **after} if before.get(place) != after.get(place)]
    return tuple(dict.fromkeys(_cut(place, old, new) for place in places))


def _flat(cluster: Cluster) -> dict[Place, Any]:
    def walk(value: Any, at: Place) -> Iterator[tuple[Place, Any]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from walk(inner, (*at, str(key)))
        else:
            yield at, value

    return dict(walk(cluster.model_dump(mode="json", by_alias=True), ()))


def _cut(place: Place, old: Cluster, new: Cluster) -> Place:
    if place[0] == "tracing" and None in (old.tracing, new.tracing):
        return place[:1]
    sections: dict[str, Iterable[str]] = {
        "models": old.models.keys() ^ new.models.keys(),
        "gpus": old.gpus.keys() ^ new.gpus.keys(),
    }
    return place[:2] if place[1:2] and place[1] in sections.get(place[0], ()) else place


def _key(place: Place) -> str:
    return ".".join(place)


_ENGINES: Final = frozenset({"on", "layout", "stuckAfter", "engine", "env", "replicas", "revision"})
"""Of a model: what the gateway does not read."""
_PORT: Final = "the service listens there since its start"
_NODES: Final = "Ray's nodes are what they were at its start"


def _is_the_gateways(place: Place, old: Cluster, new: Cluster) -> bool:
    match place:
        case ("models", name, "replicas", *_):
            return _sleeps(old, name) != _sleeps(new, name)
        case ("models", _, key, *_):
            return key not in _ENGINES
        case ("gateway", "host" | "port") | ("gpus" | "weights", *_):
            return False
    return True


def _sleeps(cluster: Cluster, name: str) -> bool:
    return not cluster.models[ModelName(name)].bounds.min


def _fixed(place: Place, new: Cluster) -> str | None:
    match place:
        case ("gateway", "host" | "port"):
            return _PORT
        case ("gpus", _, "kind" | "perNode" | "nodes" | "labels", *_):
            return _NODES
        case ("gpus", name) if name in new.gpus:
            return _NODES
    return None


def _wanted(pools: Iterable[Pool]) -> Counter[str]:
    """GPUs by group, and CPUs under no name: for the replicas that there always are. What a pool
    may grow to, it grows to if there is room."""
    found = Counter[str]()
    for pool in pools:
        found["" if pool.hardware.cpu else pool.spec.on] += pool.spec.bounds.min * pool.layout.ranks
    return found


def _too_many_cpus(pools: Iterable[Pool], cpus: int) -> Iterator[str]:
    """GPUs are the file's own to count."""
    if (wanted := _wanted(pools)[""]) > cpus:
        yield (
            f"models: their engines need {wanted} CPUs, and Ray counts with {cpus} since its start"
            "; serve less, or `bifocal down` and `up`"
        )


def _fit(pools: Iterable[Pool], gpus: Mapping[str, GpuSpec], cpus: int) -> bool:
    there = {group: spec.ranks for group, spec in gpus.items()} | {"": cpus}
    return all(needed <= there[group] for group, needed in _wanted(pools).items())
