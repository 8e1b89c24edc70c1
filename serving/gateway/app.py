"""The ASGI application: a table of routes, one error handler, and what lives as long as it does.

POST /v1/chat/completions, /v1/completions   with a key
GET  /v1/models, /v1/models/{id}             with a key
GET  /metrics, /metrics/...                  with a key, even one that reads metrics alone
GET  /operator                               with an operator's key, as are these:
POST /operator/pool, /operator/mode, /operator/key
POST /operator/peer                          between gateways
GET  /health, /ready[?any]                   open: they say nothing of anyone
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import aiohttp

from serving.errors import (
    AnswerTimeout,
    BifocalError,
    InternalError,
    UnknownModel,
    UnknownPath,
    WrongMethod,
)
from serving.gateway import hosts, models
from serving.gateway.answer import CHAT, COMPLETIONS, Answers
from serving.gateway.asgi import Receive, Reply, Request, Scope, Send, request_id
from serving.gateway.loading import expected_start_s
from serving.gateway.operator import Operator
from serving.gateway.orders import Held
from serving.gateway.peers import EVERY_S, Peering, Peers
from serving.gateway.pool import Pools
from serving.gateway.refresh import Refresh
from serving.gateway.relay import Path
from serving.gateway.scrape import REPLICA, TARGETS, Scrape
from serving.gateway.service import Service
from serving.gateway.standing import Unrevoked
from serving.gateway.targets import TargetSource
from serving.gateway.upstream import REPLICA_HEADERS, Upstream, open_session
from serving.gateway.watch import Limit
from serving.keys import KeyRecord, NoKeys, check_asks, next_expiries
from serving.observer import OrdersHeld
from serving.routing import Depth
from serving.values import RequestId

log: Final = logging.getLogger("bifocal.gateway")

Handler = Callable[[Request, Reply, RequestId], Awaitable[None]]
_ONE_MODEL: Final = "/v1/models/"


class Gateway:
    """Serves `service` from the pools that `sources` know, asking them anew `every_s`; `peering`
    says where other gateways are that serve the same."""

    def __init__(
        self,
        service: Service,
        sources: Sequence[TargetSource],
        *,
        every_s: float,
        peering: Peering | None = None,
    ) -> None:
        keys = Unrevoked(service.keys, service.standing)
        self._service, self._peering = replace(service, keys=keys), peering
        self._sources, self._every_s = sources, every_s
        self._pools = Pools(
            {
                name: expected_start_s(model.facts, model.precision)
                for name, model in service.served.items()
            }
        )
        self._is_open = isinstance(service.keys, NoKeys)
        self._created = int(time.time())
        self._routes: Mapping[str, Mapping[str, Handler]] = {}
        """Filled when the server starts."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive), send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _http(self, request: Request, send: Send) -> None:
        id = request_id(request.headers.get(b"x-request-id"))
        reply = Reply(send, id, time.monotonic)
        try:
            if self._is_open:
                hosts.check(request.headers.get(b"host"))
            await self._handler(request)(request, reply, id)
        except BifocalError as error:
            if error.status >= 500:
                log.warning("%s: %s: %s", id, error.code, error.message)
            await reply.error(error)
        except Exception as error:  # the last line: whatever it was, the client gets an answer
            _report(id, error)
            await reply.error(InternalError(f"the gateway failed; its log says where, under {id}"))

    async def _live(self, receive: Receive, send: Send) -> None:
        """From start to end: the connections, and the loop that watches the replicas."""
        await receive()
        async with (
            open_session({}) as plain,
            open_session(REPLICA_HEADERS) as session,
            asyncio.TaskGroup() as tasks,
        ):
            upstream = Upstream(session)
            refresh = Refresh(self._sources, plain, self._pools, upstream, time.monotonic)
            await refresh.once()
            peers = self._peers(plain)
            await self._look_at_orders(peers)
            self._service.standing.listen(self._tell_of_orders)
            self._scrape = Scrape(self._pools, upstream)
            operator = Operator(self._service, self._pools, peers)
            answers = Answers(self._service, self._path(upstream))
            self._routes = {**self._table(answers), **operator.table()}
            loop = tasks.create_task(refresh.forever(self._every_s), name="refresh")
            orders = tasks.create_task(self._keep_orders(peers), name="orders")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            loop.cancel()
            orders.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    def _table(self, answers: Answers) -> Mapping[str, Mapping[str, Handler]]:
        return {
            CHAT.path: {"POST": partial(answers.answer, CHAT)},
            COMPLETIONS.path: {"POST": partial(answers.answer, COMPLETIONS)},
            "/v1/models": {"GET": self._list_models},
            "/metrics": {"GET": self._metrics},
            TARGETS: {"GET": self._list_targets},
            REPLICA: {"GET": self._replica_metrics},
            "/health": {"GET": self._health},
            "/ready": {"GET": self._ready},
        }

    def _peers(self, session: aiohttp.ClientSession) -> Peers | None:
        if self._peering is None:
            return None
        return Peers(self._peering, self._service.standing, self._pools.requests, session)

    def _tell_of_orders(self, held: Held) -> None:
        drained = {name: name in held.drained for name in self._service.served}
        forced = {str(depth): depth is held.forced for depth in Depth}
        self._service.observer.on(OrdersHeld(drained, forced))

    async def _keep_orders(self, peers: Peers | None) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._look_at_orders(peers)
            except Exception as error:  # without this loop the gateway would hear of no order
                log.error("orders were not looked at: %s", type(error).__name__)

    async def _look_at_orders(self, peers: Peers | None) -> None:
        self._service.standing.look(time.time())
        if peers is not None:
            await peers.meet()

    def _path(self, upstream: Upstream) -> Path:
        service = self._service
        first, longest = service.limits.time_to_first_byte, service.longest_answer_s
        return Path(
            self._pools,
            upstream,
            service.observer,
            time.monotonic,
            Limit(first, AnswerTimeout, f"no answer began within {first:g} s"),
            Limit(longest, AnswerTimeout, f"the answer took longer than {longest:g} s"),
        )

    def _handler(self, request: Request) -> Handler:
        methods = self._routes.get(request.path)
        if methods is None and request.path.startswith(_ONE_MODEL):
            methods = {"GET": self._one_model}
        if methods is None:
            msg = f"there is no {request.path[:128]}; there are {', '.join(self._routes)}"
            raise UnknownPath(msg)
        if (handler := methods.get(request.method)) is not None:
            return handler
        return _other_method(request, methods)

    async def _list_models(self, request: Request, reply: Reply, _: RequestId) -> None:
        self._check_asks(request)
        entries = models.entries(self._service, self._pools, self._created)
        await reply.json(200, {"object": "list", "data": entries})

    async def _one_model(self, request: Request, reply: Reply, _: RequestId) -> None:
        self._check_asks(request)
        asked = request.path.removeprefix(_ONE_MODEL)
        for entry in models.entries(self._service, self._pools, self._created):
            if asked in (entry["id"], *entry["aliases"]):
                await reply.json(200, entry)
                return
        msg = f"unknown model {asked[:128]!r}; GET /v1/models lists those there are"
        raise UnknownModel(msg, param="model")

    async def _metrics(self, request: Request, reply: Reply, _: RequestId) -> None:
        self._authenticate(request)
        expiries = next_expiries(self._service.keys.starting(""), time.time())
        body, kind = self._service.observer.render(self._pools.now(), expiries)
        await reply.whole(200, body, (b"content-type", kind.encode()))

    async def _list_targets(self, request: Request, reply: Reply, _: RequestId) -> None:
        self._authenticate(request)
        await self._scrape.list(request, reply)

    async def _replica_metrics(self, request: Request, reply: Reply, _: RequestId) -> None:
        self._authenticate(request)
        await self._scrape.page(request, reply)

    async def _health(self, request: Request, reply: Reply, _: RequestId) -> None:
        await reply.json(200, {"status": "ok"})

    async def _ready(self, request: Request, reply: Reply, _: RequestId) -> None:
        any_will_do = b"any" in request.query.split(b"&")
        ready, told = models.readiness(self._pools, any_will_do=any_will_do)
        await reply.json(200 if ready else 503, told)

    def _authenticate(self, request: Request) -> KeyRecord | None:
        return self._service.keys.record_of(request.secret, time.time())

    def _check_asks(self, request: Request) -> None:
        check_asks(self._authenticate(request))


def _other_method(request: Request, methods: Mapping[str, Handler]) -> Handler:
    """HEAD is GET without the body, which the server leaves out; the rest is refused."""
    if request.method == "HEAD" and "GET" in methods:
        return methods["GET"]
    allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
    if request.method == "OPTIONS":
        return partial(_options, allowed)
    msg = f"{request.path[:128]} does not take {request.method[:16]}; it takes {allowed}"
    raise WrongMethod(msg, allowed=allowed)


async def _options(allowed: str, request: Request, reply: Reply, _: RequestId) -> None:
    await reply.whole(200, b"", (b"allow", allowed.encode()))


def _report(id: RequestId, error: Exception) -> None:
    """Where it happened, but not the error's own words, which may hold a prompt's."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s\n%s", id, type(error).__name__, frames)
