"""The composition root: makes every object of the gateway's process and hands them over.

Reads no file and no environment; what it needs is given to it.
"""

import platform
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from deploy.config import Cluster
from serving.addresses import is_loopback
from serving.config import ModelSpec
from serving.gateway import (
    FixedSource,
    Gateway,
    Peering,
    RaySource,
    Served,
    Service,
    StandingOrders,
)
from serving.gateway.standing import Keeper
from serving.gateway.targets import TargetSource
from serving.keys import KeyStore
from serving.observer import Observer
from serving.routing import Family
from serving.routing.absence import Policy
from serving.tracing import Sampler
from serving.values import ModelName


class OpenEndpoint(Exception):
    """It would listen beyond loopback and let everyone in."""


def build(
    cluster: Cluster,
    *,
    ray_url: str,
    ray_token: str | None,
    pool_token: str | None,
    target_tokens: Mapping[ModelName, str],
    keys: KeyStore,
    observer: Observer,
    orders: Keeper | None = None,
    peers: Sequence[tuple[str, int]] = (),
) -> Gateway:
    """The ASGI application. `peers` are where other gateways of the same service are; they know
    each other by the pools' token, so without one they stay strangers."""
    served = {
        name: Served(facts, cluster.models[name].precision, _absence(cluster.models[name]))
        for name, facts in cluster.served.items()
    }
    service = Service(
        family=Family.of(cluster.served, cluster.router.fast, cluster.router.deep),
        served=served,
        keys=keys,
        observer=observer,
        limits=cluster.gateway.limits,
        keep_alive_s=cluster.gateway.keep_alive,
        longest_answer_s=cluster.longest_answer,
        standing=StandingOrders(orders),
        sampler=None if cluster.tracing is None else Sampler(cluster.tracing.sample),
    )
    me = f"{platform.node()}-{secrets.token_hex(4)}"
    peering = Peering.of(me, peers, pool_token) if peers and pool_token else None
    fixed = {name: spec.targets for name, spec in cluster.models.items() if spec.targets}
    on_ray = cluster.models.keys() - fixed.keys()
    sources: list[TargetSource] = []
    for url, names in _by_ray_cluster(ray_url, on_ray, cluster).items():
        sources.append(RaySource(names, url, ray_token, pool_token, _may_sleep(cluster)))
    if fixed:
        sources.append(FixedSource(fixed, target_tokens))
    return Gateway(service, sources, every_s=cluster.gateway.targets_every, peering=peering)


def _absence(spec: ModelSpec) -> Policy:
    return Policy(spec.hold_for, spec.instead)


def _may_sleep(cluster: Cluster) -> frozenset[ModelName]:
    """Pools that are scaled to nothing while nobody asks."""
    return frozenset(name for name, spec in cluster.models.items() if not spec.bounds.min)


def _by_ray_cluster(
    ray_url: str, names: Iterable[ModelName], cluster: Cluster
) -> dict[str, list[ModelName]]:
    """The pools of each Ray cluster: `{gpus}` in the URL is the group that a pool stands on."""
    found: dict[str, list[ModelName]] = defaultdict(list)
    for name in names:
        found[ray_url.replace("{gpus}", cluster.models[name].on)].append(name)
    return found


def check_exposure(host: str, *, has_keys: bool) -> None:
    """Raises OpenEndpoint."""
    if not has_keys and not is_loopback(host):
        msg = (
            f"the endpoint would listen on {host}, which others can reach, and there are no keys; "
            "allowed: 127.0.0.1, or gateway.keys, a file of keys (`bifocal key new`)"
        )
        raise OpenEndpoint(msg)
