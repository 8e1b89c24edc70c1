"""The composition root: makes every object of the gateway's process and hands them over.

Reads no file and no environment; what it needs is given to it.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Final

import uvicorn

from deploy.config import Cluster
from serving.catalog import CATALOG, ModelFacts
from serving.config import ModelSpec
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


class OpenEndpoint(Exception):
    """It would listen beyond loopback and let everyone in."""


def build(
    cluster: Cluster,
    *,
    ray_url: str,
    ray_token: str | None,
    pool_token: str | None,
    keys: KeyStore,
    observer: Observer,
) -> Gateway:
    """The ASGI application."""
    served = {name: _served(name, spec) for name, spec in cluster.models.items()}
    facts = {name: model.facts for name, model in served.items()}
    service = Service(
        family=Family.of(facts, cluster.router.fast, cluster.router.deep),
        served=served,
        keys=keys,
        observer=observer,
        limits=cluster.gateway.limits,
        keep_alive=cluster.gateway.keep_alive,
        longest_answer=cluster.longest_answer,
    )
    sources = _sources(cluster.models, ray_url, ray_token)
    every = cluster.gateway.targets_every
    return Gateway(service, sources, pool_token=pool_token, every=every)


def run(gateway: Gateway, *, host: str, port: int, longest_answer: float) -> None:
    """Serves until a signal; then takes nothing new and finishes the answers under way. A second
    signal ends it at once."""
    config = uvicorn.Config(
        gateway,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
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
            f"gateway.host is {host}, and without keys the endpoint listens on loopback only; "
            "set gateway.keys to a file of keys (`bifocal key new` prints its lines)"
        )
        raise OpenEndpoint(msg)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server(uvicorn.Server):
    """uvicorn's; but any second signal ends it, and having ended in order is no failure."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _served(name: ModelName, spec: ModelSpec) -> Served:
    return Served(facts_of(name, spec), spec.precision)


def facts_of(name: ModelName, spec: ModelSpec) -> ModelFacts:
    """The catalog's row, under the name and with the context that are served here."""
    row = CATALOG[spec.like or name]
    is_hub_id = spec.source is not None and not spec.source.startswith((".", "/", "~"))
    hf_id = spec.source if spec.source is not None and is_hub_id else row.hf_id
    return replace(row, name=name, hf_id=hf_id, context=spec.context or row.context)


def _sources(
    models: Mapping[ModelName, ModelSpec], url: str, token: str | None
) -> Sequence[TargetSource]:
    fixed = {name: spec.targets for name, spec in models.items() if spec.targets}
    on_ray = models.keys() - fixed.keys()
    return [
        *([RaySource(on_ray, url, token)] if on_ray else []),
        *([FixedSource(fixed)] if fixed else []),
    ]
