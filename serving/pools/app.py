"""Builds one pool's Serve application; Serve calls it by name with the arguments of its text.

The replicas serve vLLM's own application on ports of their own (direct ingress), which needs
`RAY_SERVE_ENABLE_DIRECT_INGRESS=1 RAY_SERVE_ENABLE_HA_PROXY=0` in the environment of every node.

Ray builds each application in a process of its own, so nothing here imports vLLM or torch: two
pools are placed ten seconds of processor time sooner for it.
"""

import contextlib
import importlib
import logging
import os
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from serving.pools import children, fetching, forkserver, logs
from serving.pools.failure import readable
from serving.pools.serve_config import DEPLOYMENT
from serving.pools.start import Step, mark
from serving.pools.started import STARTED
from serving.pools.weights import Fetcher, NoWeights, Wanted

logger = logging.getLogger(__name__)

IMPORT_ATTEMPTS: Final = 5


class PoolArgs(BaseModel):
    """As `serve_config` writes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    """A folder, unless there is something to fetch."""
    weights: Wanted | None = None
    """To be fetched before the engine starts."""
    cpu: bool
    accelerator: str | None
    stuck_after_s: float
    """The engine is stuck when it has work and takes no step for so long."""
    engine: dict[str, Any]
    """vLLM's arguments."""
    deployment: dict[str, Any]
    """Serve's options, without those that change while it runs."""


def build(args: PoolArgs) -> Application:
    """Of weights that are a folder. Serve takes no builder of more than one argument."""
    return build_with(args, None)


def build_with(args: PoolArgs, fetcher: Fetcher | None) -> Application:
    """Weights that are no folder need a fetcher."""
    return serve.deployment(Replica, name=DEPLOYMENT, **args.deployment).bind(args, fetcher)


@serve.ingress()
class Replica:
    """One engine behind its door. Serve sends it requests once its application is built, and that
    is built once it is warm."""

    def __init__(self, args: PoolArgs, fetcher: Fetcher | None = None) -> None:
        mark(Step.PROCESS)
        self._args = args
        self._fetcher = fetcher
        self._server: Any = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """vLLM's application as it is, so that the door stands before everything; Ray would put
        a middleware for adapters, which are not served here, before the door."""
        with readable():
            return await self._started()

    async def _started(self) -> ASGIApp:
        if ended := children.end_orphans():
            logger.warning("a replica that is gone had left processes, now ended: %s", ended)
        children.own()
        if self._args.cpu and forkserver.wanted(os.environ):
            forkserver.begin()
        args = await self._with_folder()
        with logs.kept():
            server = _server_module()
        mark(Step.IMPORTS)
        self._server = await server.start(args)
        app: ASGIApp = await self._server.engine.build_asgi_app()
        mark(Step.READY)
        STARTED.read()
        return app

    async def _with_folder(self) -> PoolArgs:
        if self._args.weights is None:
            return self._args
        if self._fetcher is None:
            raise NoWeights(f"{self._args.source} is no folder, and nobody here fetches it")
        others = fetching.other_nodes()
        folder = await fetching.fetched(self._args.weights, self._fetcher, others)
        mark(Step.FETCHED)
        return self._args.model_copy(update={"source": folder})

    async def check_health(self) -> None:
        """Serve replaces a replica for which this raises."""
        with readable():
            await self._server.check_health()

    async def __del__(self) -> None:
        """Serve waits for it, for as long as a replica that leaves may take, once the replica's own
        answers are done."""
        if self._server is not None:
            await self._server.finish()


def _server_module() -> ModuleType:
    """Ray's module enters its connectors in the cluster's store as it is imported, and raises if
    another replica did so between its look and its entry; the next time it sees them there."""
    for _ in range(IMPORT_ATTEMPTS - 1):
        with contextlib.suppress(ValueError):
            return importlib.import_module("serving.pools.server")
    return importlib.import_module("serving.pools.server")
