"""Builds a pool's application together with who fetches its weights; Serve calls it by name.

It is built once for all replicas of the pool, so here a branch becomes the commit that all of them
serve, also those that are started again later.
"""

import asyncio

from ray.serve import Application

from serving.pools import app
from serving.pools.app import PoolArgs


def build(args: PoolArgs) -> Application:
    if args.weights is None:
        return app.build(args)
    from deploy.weights.fetcher import Puller  # noqa: PLC0415 - a folder is served without

    fetcher = Puller()
    pinned = asyncio.run(fetcher.pinned(args.weights))
    return app.build_with(args.model_copy(update={"weights": pinned}), fetcher)
