"""The life of one request for tokens: authenticate, admit, read, decide, relay, account.

`Answers.answer` is the heart of this process; all it calls either decides or acts, not both.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from serving import admission, routing, thinking
from serving.accounting import expected_tokens
from serving.catalog import ModelFacts
from serving.config import Limits
from serving.errors import (
    AnswerTimeout,
    BifocalError,
    ContextOverflow,
    PoolDrained,
    RequestTimeout,
)
from serving.gateway.asgi import Headers, Reply, Request
from serving.gateway.call import Call
from serving.gateway.relay import Path, relay
from serving.gateway.standing import StandingOrders
from serving.gateway.watch import Limit, Watch
from serving.keys import KeyStore
from serving.observer import Observer, ReplicaFailed, RequestRouted
from serving.values import Mode, ModelName, RequestId, Route
from serving.wire import chat, completions
from serving.wire import request as wire
from serving.wire.json import decode_object


@dataclass(frozen=True, slots=True)
class Endpoint:
    name: str
    path: str
    parse: Callable[[dict[str, Any], Limits], wire.WireRequest]


CHAT: Final = Endpoint("chat", "/v1/chat/completions", chat.parse)
COMPLETIONS: Final = Endpoint("completions", "/v1/completions", completions.parse)

BODY: Final = Limit(60.0, RequestTimeout, "the body did not arrive within 60 s")
"""A client that sends its body slower than this holds a place for nothing."""

DRAINED_RETRY_S: Final = 30
"""Nobody knows when an operator is done; half a minute is neither rude nor long."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served here."""

    facts: ModelFacts
    precision: str


@dataclass(frozen=True, slots=True)
class Service:
    """What the endpoint is made of; all of it is built by the composition root."""

    family: routing.Family
    served: Mapping[ModelName, Served]
    keys: KeyStore
    observer: Observer
    limits: Limits
    keep_alive: float
    """Seconds."""
    longest_answer: float
    """Seconds."""
    standing: StandingOrders = field(default_factory=StandingOrders)
    """What operators have ordered."""


class Answers:
    """Answers requests for tokens, and counts those that are under way."""

    def __init__(self, service: Service, path: Path) -> None:
        self._service, self._path = service, path
        self._in_flight = 0

    async def answer(
        self, endpoint: Endpoint, request: Request, reply: Reply, id: RequestId
    ) -> None:
        """Raises what could not be answered, once the record of it is closed."""
        call = Call(id, endpoint.name, endpoint.path, self._path.clock())
        try:
            call.team = self._service.keys.team_of(request.secret, time.time())
            self._admit()
            try:
                await self._serve(endpoint, request, reply, call)
            finally:
                self._release()
        except BifocalError as error:
            call.error = error
            if isinstance(error, AnswerTimeout) and call.route is not None:
                self._service.observer.on(ReplicaFailed(call.route.model, "timeout"))
            raise
        finally:
            event = call.finished(self._path.clock(), complete=reply.complete)
            self._service.observer.on(event)

    async def _serve(self, endpoint: Endpoint, request: Request, reply: Reply, call: Call) -> None:
        limits = self._service.limits
        async with Watch(reply, self._service.keep_alive) as watch:
            watch.allow(BODY, call.started)
            body = decode_object(await request.body(limits.body_size), limits.json_depth)
            watch.client(request)
            parsed = call.request = endpoint.parse(body, limits)
            route, cap_is_ours = self._decide(parsed, call)
            reply.headers.extend(_route_headers(route))
            if parsed.stream:
                watch.silence()
            try:
                await relay(self._path, call, reply, parsed, route, watch)
            except ContextOverflow:
                if not cap_is_ours or reply.started:
                    raise
                # The prompt and our cap did not fit together. Without the cap the engine gives
                # what is left, which is then less than the cap.
                wire.uncap(parsed)
                await relay(self._path, call, reply, parsed, route, watch)

    def _decide(self, parsed: wire.WireRequest, call: Call) -> tuple[Route, bool]:
        """The route, and the body as the engine gets it."""
        service = self._service
        facts = routing.facts_of(
            parsed.model,
            parsed.messages,
            enable_thinking=parsed.enable_thinking,
            reasoning_effort=parsed.reasoning_effort,
            tools=parsed.tools,
            wants_schema=parsed.wants_schema,
        )
        held = service.standing.held
        route = routing.choose(facts, service.family, held.forced)
        if route.model in held.drained:
            msg = f"{route.model} takes nothing new: an operator drains it"
            raise PoolDrained(msg, retry_after_s=DRAINED_RETRY_S)
        if not parsed.is_chat:
            route = replace(route, mode=Mode.PLAIN)  # a bare prompt has no switch
        cap_is_ours = wire.order(parsed, _orders(route, parsed, service))
        cap = None if parsed.cap is None else parsed.cap.tokens
        call.tokens = expected_tokens(facts.prompt_chars, cap, parsed.choices)
        call.route = route
        service.observer.on(RequestRouted(call.id, call.team, route))
        return route, cap_is_ours

    def _admit(self) -> None:
        refusal = admission.refusal(self._in_flight, self._service.limits.concurrent_requests)
        if refusal is not None:
            raise refusal
        self._in_flight += 1
        self._service.observer.in_flight(1)

    def _release(self) -> None:
        self._in_flight -= 1
        self._service.observer.in_flight(-1)


@lru_cache(maxsize=1024)
def _route_headers(route: Route) -> Headers:
    return [
        (b"x-bifocal-model", route.model.encode()),
        (b"x-bifocal-thinking", b"on" if route.mode is Mode.THINKING else b"off"),
        (b"x-bifocal-reason", route.reason.encode()),
    ]


def _orders(route: Route, parsed: wire.WireRequest, service: Service) -> wire.Orders:
    served = service.served[route.model]
    return wire.Orders(
        model=route.model,
        mode=route.mode,
        template_kwargs=thinking.template_kwargs(route.mode, served.facts)
        if parsed.is_chat
        else {},
        sampling=thinking.sampling(route.mode, served.precision),
        output_tokens=service.limits.output_tokens.of(route.mode),
        context=served.facts.context,
    )
