"""The background loops: each source is asked where the replicas are, and those that failed or fell
silent how they are."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import aiohttp

from serving.gateway.pool import Pools
from serving.gateway.targets import SourceUnavailable, TargetSource
from serving.gateway.upstream import Upstream
from serving.values import ModelName, Target

log: Final = logging.getLogger("bifocal.gateway")

Look = Callable[[], Awaitable[None]]


class Refresh:
    """Keeps `pools` true to what the sources say."""

    def __init__(
        self,
        sources: Sequence[TargetSource],
        session: aiohttp.ClientSession,
        pools: Pools,
        upstream: Upstream,
        clock: Callable[[], float],
    ) -> None:
        self._sources, self._session = sources, session
        self._pools, self._upstream, self._clock = pools, upstream, clock
        self._away: set[TargetSource] = set()
        self._said: dict[ModelName, str] = {}

    async def forever(self, every_s: float) -> None:
        """A source that takes its time holds up neither another nor the replicas."""
        looks: list[Look] = [partial(self._ask, source) for source in self._sources]
        await asyncio.gather(*(self._again(look, every_s) for look in [*looks, self._look]))

    async def once(self) -> None:
        await asyncio.gather(*(self._ask(source) for source in self._sources))
        await self._look()

    async def _again(self, look: Look, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await look()
            except Exception as error:  # without this loop the gateway would go blind
                log.error("targets were not refreshed: %s", type(error).__name__)

    async def _look(self) -> None:
        now = self._clock()
        self._pools.forget(now)
        doubtful = self._pools.doubtful(now)
        await asyncio.gather(*(self._probe(*replica) for replica in doubtful))
        self._tell()

    async def _ask(self, source: TargetSource) -> None:
        try:
            found = await source.pools(self._session)
        except SourceUnavailable as error:
            if source not in self._away:
                log.warning("%s; what was known of the replicas is kept", error)
            self._away.add(source)
        else:
            self._away.discard(source)
            self._pools.update(found, time.time())

    async def _probe(self, name: ModelName, target: Target) -> None:
        health = await self._upstream.health(target)
        self._pools.asked(name, target.id, health, self._clock())

    def _tell(self) -> None:
        """One line for each change."""
        for name, pool in self._pools.snapshots().items():
            state = pool.why_not or f"ready, {len(pool.replicas)} replica(s)"
            if self._said.get(name) != state:
                self._said[name] = state
                words = _first_line(pool.status.message)
                log.info("pool %s: %s%s", name, state, f" ({words})" if words else "")


def _first_line(message: str) -> str:
    """Ray tells whole tracebacks."""
    return message.strip().partition("\n")[0][:300]
