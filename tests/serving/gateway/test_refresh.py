"""The loops that look at sources and replicas, none of which waits for another."""

import asyncio
import time
from collections.abc import Mapping

import aiohttp

from serving.gateway import FixedSource
from serving.gateway.pool import LOAD_STALE_S, Pools
from serving.gateway.refresh import Refresh
from serving.gateway.targets import PoolStatus
from serving.gateway.upstream import Upstream
from serving.values import Load, ModelName, TargetId
from tests.serving.gateway import peers
from tests.serving.gateway.peers import DENSE, MOE, Peer, serving

EVERY_S = 0.02


class Hangs:
    """A source that is asked and says nothing."""

    async def pools(self, session: aiohttp.ClientSession) -> Mapping[ModelName, PoolStatus]:
        await asyncio.Event().wait()
        return {}


async def test_a_source_that_says_nothing_holds_up_neither_another_nor_the_replicas(
    client: aiohttp.ClientSession,
) -> None:
    pools = Pools({DENSE: 1.0, MOE: 1.0})
    async with serving(Peer([peers.said()])) as replica:
        quick, before = FixedSource({DENSE: [replica]}), FixedSource({MOE: [replica]})
        pools.update(await before.pools(client))
        pools.answered(MOE, TargetId(replica), Load(1, 1, 0.5), time.monotonic() - LOAD_STALE_S)
        pools.failed(MOE, TargetId(replica))
        refresh = Refresh([Hangs(), quick], client, pools, Upstream(client), time.monotonic)
        looking = asyncio.create_task(refresh.forever(EVERY_S))
        await asyncio.sleep(20 * EVERY_S)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert pools.snapshot(DENSE).ready
    assert pools.snapshot(MOE).ready, "it was asked how it is, and is well"
    assert pools.snapshot(MOE).replicas[0].load is None, "what it said is old"
