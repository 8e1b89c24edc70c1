"""What the gateway says of its replicas, asked ten times a second."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import msgspec

LOOKS_EVERY_S: Final = 0.1
_WITHIN: Final = aiohttp.ClientTimeout(total=2)


class _Pool(msgspec.Struct):
    answering: int = 0


class _Ready(msgspec.Struct):
    pools: dict[str, _Pool]


_decode: Final = msgspec.json.Decoder(_Ready).decode


@dataclass(frozen=True, slots=True)
class Sight:
    """Replicas in routing by pool; empty while the gateway itself does not answer."""

    at: float
    answering: Mapping[str, int]


@dataclass(slots=True)
class Routing:
    """Keeps what changed."""

    url: str
    sights: list[Sight] = field(default_factory=list)

    @property
    def now(self) -> Mapping[str, int]:
        return self.sights[-1].answering if self.sights else {}

    async def watch(self) -> None:
        async with aiohttp.ClientSession(timeout=_WITHIN) as session:
            while True:
                seen = await self._look(session)
                if not self.sights or seen != self.now:
                    self.sights.append(Sight(time.monotonic(), seen))
                await asyncio.sleep(LOOKS_EVERY_S)

    async def _look(self, session: aiohttp.ClientSession) -> Mapping[str, int]:
        try:
            async with session.get(f"{self.url}/ready") as response:
                found = _decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, ConnectionError, msgspec.DecodeError):
            return {}
        return {name: pool.answering for name, pool in found.pools.items()}
