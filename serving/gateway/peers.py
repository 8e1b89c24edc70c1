"""Gateways behind one address tell each other what operators ordered, and what is under way.

Once a second, and with each order, a gateway meets every other one that names lead to (on
Kubernetes one name, a headless Service's). Both say what they know and keep the later words, so
that an order that one was given holds for all in a moment, and one that starts anew learns it
before it answers anyone. None of them needs a right at the API server, nor a store beside it. What
opens this door is made from the pools' token, which every gateway of a release has, and nobody
else but the replicas.
"""

import asyncio
import hashlib
import hmac
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from serving.errors import BadKey, MalformedRequest
from serving.gateway.orders import MOST, Order
from serving.gateway.standing import StandingOrders
from serving.values import ModelName

log: Final = logging.getLogger("bifocal.gateway")

PATH: Final = "/operator/peer"
MEET_WITHIN: Final = aiohttp.ClientTimeout(total=1)
FOUND_WITHIN_S: Final = 1.0
EVERY_S: Final = 1.0
GONE_AFTER_S: Final = 5.0
"""A gateway that has not been met for so long is not counted any more."""


@dataclass(frozen=True, slots=True)
class Peering:
    """Where the others are, and what opens their doors."""

    me: str
    addresses: tuple[tuple[str, int], ...]
    """Names, or one, that lead to every gateway; this one may be among them."""
    token: str

    @classmethod
    def of(cls, me: str, addresses: Iterable[tuple[str, int]], pool_token: str) -> "Peering":
        made = hmac.new(pool_token.encode(), b"gateways of one release", hashlib.sha256)
        return cls(me, tuple(addresses), made.hexdigest())


class Told(msgspec.Struct, omit_defaults=True):
    """What one gateway says to another."""

    name: str
    digest: str
    requests: dict[str, int] = {}
    """Under way, by pool."""
    orders: list[Order] | None = None
    """Left out where the other knows the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What another one said last, and when."""

    told: Told
    at: float


_decode: Final = msgspec.json.Decoder(Told).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)
"""What it raises; the second for a text that is no UTF-8."""


class Peers:
    """`requests` tells what is under way here."""

    def __init__(
        self,
        peering: Peering,
        standing: StandingOrders,
        requests: Callable[[], Mapping[ModelName, int]],
        session: aiohttp.ClientSession,
    ) -> None:
        self._peering, self._standing, self._requests = peering, standing, requests
        self._session = session
        self._seen: dict[str, Seen] = {}
        self._digests: dict[str, str] = {}
        """What was known at each address when it was last met."""
        self._lost: set[str] = set()

    async def meet(self) -> None:
        """Every other one, at once."""
        await asyncio.gather(*(self._meet(url) for url in await self._urls()))

    def admit(self, secret: str | None) -> None:
        """Raises BadKey for whoever is no gateway of this release."""
        # As bytes: of two texts it takes only ASCII, and a header may hold any character.
        mine = self._peering.token.encode()
        if secret is None or not hmac.compare_digest(secret.encode(), mine):
            msg = "this is for the gateways of this release alone"
            raise BadKey(msg)

    def hear(self, body: bytes) -> Told:
        """The other side of `meet`, of one that was admitted. Raises MalformedRequest."""
        try:
            told = _decode(body)
        except _UNREADABLE as error:
            msg = f"the body is not what a gateway says: {error}"
            raise MalformedRequest(msg) from None
        self._learn(told)
        return self._say(told.digest)

    @property
    def others(self) -> Mapping[str, Told]:
        """Those that were met lately, by name."""
        now = time.monotonic()
        self._seen = {n: seen for n, seen in self._seen.items() if now - seen.at < GONE_AFTER_S}
        return {name: seen.told for name, seen in self._seen.items()}

    def requests(self) -> Counter[str]:
        """Under way at all gateways, by pool."""
        total = Counter[str](self._requests())
        for told in self.others.values():
            total.update(told.requests)
        return total

    async def _urls(self) -> list[str]:
        found = [await self._found(host, port) for host, port in self._peering.addresses]
        return list(dict.fromkeys(url for urls in found for url in urls))

    async def _found(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FOUND_WITHIN_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            if host not in self._lost:
                log.warning("other gateways are not found: %s: %s", host, error)
            self._lost.add(host)
            return []
        self._lost.discard(host)
        hosts = [str(address[0]) for *_, address in found]
        return [f"http://{f'[{h}]' if ':' in h else h}:{port}{PATH}" for h in hosts]

    async def _meet(self, url: str) -> None:
        headers = {
            "authorization": f"Bearer {self._peering.token}",
            "content-type": "application/json",
        }
        body = msgspec.json.encode(self._say(self._digests.get(url)))
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=MEET_WITHIN
            ) as response:
                response.raise_for_status()
                told = _decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, *_UNREADABLE):
            self._digests.pop(url, None)  # it comes and goes; who is not met is not counted
            return
        self._digests[url] = told.digest
        self._learn(told)

    def _say(self, known: str | None) -> Told:
        standing = self._standing
        requests = {str(name): count for name, count in self._requests().items() if count}
        orders = None if known == standing.digest else list(standing.orders.values())
        return Told(self._peering.me, standing.digest, requests, orders)

    def _learn(self, told: Told) -> None:
        if told.name == self._peering.me:
            return
        self._seen[told.name] = Seen(told, time.monotonic())
        if told.orders is not None:
            self._standing.learn(told.orders[: 2 * MOST], time.time())
