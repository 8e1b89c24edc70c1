"""An operator's hands on a running service: pools are drained, `auto` is forced, keys are revoked.

GET  /operator        what is ordered, by whom, and what is under way
POST /operator/pool   {"pool": NAME, "drained": true|false}
POST /operator/mode   {"force": "fast"|"deep"|null, "for_s": SECONDS}
POST /operator/key    {"revoke": ID}
POST /operator/peer   between gateways

All of it needs a key with the scope `operate`. Without keys the endpoint is on loopback alone, and
whoever is there is its operator. Each order, and each that is refused for want of the right, is one
line of JSON in the log of audit; no key stands in it.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import msgspec

from serving.errors import (
    LimitExceeded,
    MalformedRequest,
    NotAllowed,
    RequestTimeout,
    UnknownModel,
)
from serving.gateway import peers
from serving.gateway.asgi import Reply, Request
from serving.gateway.orders import DRAINED, KEY, LIFTED, MODE, MOST, POOL, REVOKED, Order
from serving.gateway.peers import Peers
from serving.gateway.pool import Pools
from serving.gateway.service import Service
from serving.gateway.standing import StandingOrders
from serving.keys import OPERATE
from serving.values import OPEN_TEAM, ModelName, RequestId

audit_log: Final = logging.getLogger("bifocal.audit")

Handler = Callable[[Request, Reply, RequestId], Awaitable[None]]
MAX_BODY: Final = 64 * 1024
MAX_PEER_BODY: Final = 4 * 1024 * 1024
BODY_WITHIN_S: Final = 10.0
"""An order is a line, and another gateway gives up after a second."""
_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_WHOLE_ID: Final = 64


class PoolOrder(msgspec.Struct, forbid_unknown_fields=True):
    pool: str
    drained: bool


class ModeOrder(msgspec.Struct, forbid_unknown_fields=True):
    force: Literal["fast", "deep"] | None
    for_s: float | None = None
    """Without it until it is lifted."""


class KeyOrder(msgspec.Struct, forbid_unknown_fields=True):
    revoke: str
    """The first 8 or more characters of its SHA-256."""


Body = TypeVar("Body", PoolOrder, ModeOrder, KeyOrder)


@dataclass(frozen=True, slots=True)
class Operator:
    """`peers` is None where this gateway is the only one."""

    service: Service
    pools: Pools
    peers: Peers | None

    def table(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/operator": {"GET": self.show},
            "/operator/pool": {"POST": self.drain},
            "/operator/mode": {"POST": self.force},
            "/operator/key": {"POST": self.revoke},
            peers.PATH: {"POST": self.hear},
        }

    async def show(self, request: Request, reply: Reply, id: RequestId) -> None:
        self._who(request, id)
        await reply.json(200, self._report())

    async def drain(self, request: Request, reply: Reply, id: RequestId) -> None:
        who = self._who(request, id)
        asked = await _read(request, PoolOrder)
        name = ModelName(asked.pool)
        if name not in self.service.served:
            there_are = ", ".join(self.service.served)
            msg = f"unknown pool {name[:128]!r}; there are: {there_are}"
            raise UnknownModel(msg, param="pool")
        value = DRAINED if asked.drained else LIFTED
        await self._order(Order(POOL + name, value, time.time(), who), reply, id)

    async def force(self, request: Request, reply: Reply, id: RequestId) -> None:
        who = self._who(request, id)
        asked, now = await _read(request, ModeOrder), time.time()
        if asked.for_s is not None and not asked.for_s > 0:
            msg = f"for_s: found {asked.for_s:g}; allowed: seconds, more than 0"
            raise MalformedRequest(msg, param="for_s")
        until = None if asked.for_s is None or asked.force is None else now + asked.for_s
        await self._order(Order(MODE, asked.force or LIFTED, now, who, until), reply, id)

    async def revoke(self, request: Request, reply: Reply, id: RequestId) -> None:
        who = self._who(request, id)
        asked = await _read(request, KeyOrder)
        if who == OPEN_TEAM:
            msg = (
                "this gateway has no file of keys: it lets everyone in, and has no key to take back"
            )
            raise UnknownModel(msg, param="revoke")
        sha256 = self._key(asked)
        await self._order(Order(KEY + sha256, REVOKED, time.time(), who), reply, id)

    async def hear(self, request: Request, reply: Reply, _: RequestId) -> None:
        if self.peers is None:
            msg = "this gateway has no others beside it"
            raise NotAllowed(msg)
        self.peers.admit(request.secret)
        told = self.peers.hear(await _body(request, MAX_PEER_BODY))
        await reply.whole(200, msgspec.json.encode(told), (b"content-type", b"application/json"))

    async def _order(self, order: Order, reply: Reply, id: RequestId) -> None:
        standing = self._standing
        if len(standing.orders) >= MOST and order.subject not in standing.orders:
            msg = f"{MOST} orders are held already; revoke keys by deleting their lines"
            raise LimitExceeded(msg)
        before = _value(standing, order.subject)
        kept = standing.place(order, time.time())
        after = _value(standing, order.subject)
        # It holds from here, so this comes before anything that may fail or take its time.
        _audit(id, order.by, order.subject, before=before, after=after)
        if self.peers is not None:
            await self.peers.meet()
        await reply.json(200, self._report() | {"kept": kept})

    def _report(self) -> dict[str, Any]:
        standing, others = self._standing, {} if self.peers is None else self.peers.others
        requests = self.pools.requests() if self.peers is None else self.peers.requests()
        now = time.time()
        standing.learn((), now)
        mode = standing.orders.get(MODE)
        return {
            "mode": _said(mode) if mode is not None and mode.holds(now) else None,
            "pools": {
                name: {
                    "drained": name in standing.held.drained,
                    "requests": requests.get(name, 0),
                    **_said(standing.orders.get(POOL + name)),
                }
                for name in self.service.served
            },
            "revoked": sorted(sha256[:12] for sha256 in standing.held.revoked),
            "gateways": {
                "all": 1 + len(others),
                "agree": 1 + sum(told.digest == standing.digest for told in others.values()),
            },
            "orders": [msgspec.to_builtins(order) for order in standing.orders.values()],
        }

    @property
    def _standing(self) -> StandingOrders:
        return self.service.standing

    def _who(self, request: Request, id: RequestId) -> str:
        """Raises BadKey, NotAllowed."""
        record = self.service.keys.record_of(request.secret, time.time())
        if record is None:
            return OPEN_TEAM
        who = f"{record.team} {record.id}"
        if OPERATE not in record.scopes:
            _audit(id, who, request.path, refused=True)
            msg = (
                "this key may not operate the service; a key with `scopes: [operate]` may "
                "(`bifocal key new --scope operate`)"
            )
            raise NotAllowed(msg)
        return who

    def _key(self, asked: KeyOrder) -> str:
        """The whole SHA-256. One that is not in the file of keys here, or not yet, may be given."""
        if not _ID.fullmatch(asked.revoke):
            msg = "revoke: allowed: 8 to 64 of 0-9, a-f, as the file of keys has them in sha256"
            raise MalformedRequest(msg, param="revoke")
        found = self.service.keys.starting(asked.revoke)
        if len(found) == 1:
            return found[0].sha256
        if not found and len(asked.revoke) == _WHOLE_ID:
            return asked.revoke
        what = "no key's sha256 begins" if not found else f"the sha256 of {len(found)} keys begins"
        msg = f"{what} with {asked.revoke}; give all 64 characters, or more of them"
        raise UnknownModel(msg, param="revoke")


async def _body(request: Request, limit: int) -> bytes:
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await request.body(limit)
    except TimeoutError:
        msg = f"the body did not arrive within {BODY_WITHIN_S:g} s"
        raise RequestTimeout(msg) from None


async def _read(request: Request, kind: type[Body]) -> Body:
    body = await _body(request, MAX_BODY)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"the body is not what {request.path} takes: {error}"
        raise MalformedRequest(msg) from None


def _value(standing: StandingOrders, subject: str) -> str | None:
    """What holds of it now."""
    order = standing.orders.get(subject)
    return order.value if order is not None and order.holds(time.time()) else None


def _said(order: Order | None) -> dict[str, Any]:
    if order is None:
        return {}
    return {"value": order.value, "by": order.by, "at": order.at, "until": order.until}


def _audit(id: RequestId, who: str, what: str, **more: object) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"audit": "operator", "time": now, "key": who, "what": what, **more, "request": id}
    audit_log.info("%s", json.dumps(line))
