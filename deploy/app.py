"""The composition root: makes every object of the gateway's process and hands them over.

Reads no file and no environment; what it needs is given to it.
"""

import gc
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Final

import uvicorn

from deploy.addresses import is_loopback
from deploy.config import Cluster
from deploy.corked import CorkedProtocol
from serving.config import Replicas
from serving.gateway import FixedSource, Gateway, RaySource, Served, Service
from serving.gateway.targets import TargetSource
from serving.keys import KeyStore
from serving.observer import Observer
from serving.routing import Family
from serving.values import ModelName

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 75
"""An idle client's connection is kept longer than most clients keep it, so that it is they who
close: a server that closes first cuts requests that are on their way."""
GC_THRESHOLDS: Final = (20_000, 50, 100)
"""Requests leave hardly a cycle behind, so the collector need not look every 700 objects."""


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
) -> Gateway:
    """The ASGI application."""
    served = {
        name: Served(facts, cluster.models[name].precision)
        for name, facts in cluster.served.items()
    }
    service = Service(
        family=Family.of(cluster.served, cluster.router.fast, cluster.router.deep),
        served=served,
        keys=keys,
        observer=observer,
        limits=cluster.gateway.limits,
        keep_alive=cluster.gateway.keep_alive,
        longest_answer=cluster.longest_answer,
    )
    fixed = {name: spec.targets for name, spec in cluster.models.items() if spec.targets}
    on_ray = cluster.models.keys() - fixed.keys()
    sources: list[TargetSource] = []
    for url, names in _by_ray_cluster(ray_url, on_ray, cluster).items():
        sources.append(RaySource(names, url, ray_token, pool_token, _may_sleep(cluster)))
    if fixed:
        sources.append(FixedSource(fixed, target_tokens))
    return Gateway(service, sources, every=cluster.gateway.targets_every)


def _may_sleep(cluster: Cluster) -> frozenset[ModelName]:
    """Pools that are scaled to nothing while nobody asks."""
    bounds = {name: spec.replicas for name, spec in cluster.models.items()}
    return frozenset(
        name for name, each in bounds.items() if isinstance(each, Replicas) and not each.min
    )


def _by_ray_cluster(
    ray_url: str, names: Iterable[ModelName], cluster: Cluster
) -> dict[str, list[ModelName]]:
    """The pools of each Ray cluster: `{gpus}` in the URL is the group that a pool stands on."""
    found: dict[str, list[ModelName]] = defaultdict(list)
    for name in names:
        found[ray_url.replace("{gpus}", cluster.models[name].on)].append(name)
    return found


def run(gateway: Gateway, *, host: str, port: int, longest_answer: float) -> None:
    """Serves until a signal; then takes nothing new and finishes the answers under way. A second
    signal ends it at once."""
    config = uvicorn.Config(
        gateway,
        host=host,
        port=port,
        loop="uvloop",
        http=CorkedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(longest_answer),
    )
    Server(config).run()


def check_exposure(host: str, *, has_keys: bool) -> None:
    """Raises OpenEndpoint."""
    if not has_keys and not is_loopback(host):
        msg = (
            f"the endpoint would listen on {host}, which others can reach, and there are no keys; "
            "allowed: 127.0.0.1, or gateway.keys, a file of keys (`bifocal key new`)"
        )
        raise OpenEndpoint(msg)


class Server(uvicorn.Server):
    """uvicorn's; but any second signal ends it, and having ended in order is no failure."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays: without it in the collector's way a request takes a fifth less.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
