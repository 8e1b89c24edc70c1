"""The life of one request for tokens: authenticate, admit, read, decide, relay, account.

`Answers.answer` is the heart of this process; all it calls either decides or acts, not both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from serving import admission, routing
from serving.accounting import expected_tokens
from serving.config import Limits
from serving.errors import AnswerTimeout, BifocalError, RequestTimeout
from serving.gateway.asgi import Reply, Request
from serving.gateway.call import Call
from serving.gateway.relay import Path
from serving.gateway.sending import Going, Sender
from serving.gateway.service import Service
from serving.gateway.watch import Limit, Watch
from serving.keys import check_asks, team_of
from serving.observer import ReplicaFailed
from serving.tracing import Stage, step
from serving.values import Mode, RequestId, Route
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


class Answers:
    """Answers requests for tokens, and counts those that are under way."""

    def __init__(self, service: Service, path: Path) -> None:
        self._service, self._path = service, path
        self._sender = Sender(service, path)
        self._in_flight = 0

    async def answer(
        self, endpoint: Endpoint, request: Request, reply: Reply, id: RequestId
    ) -> None:
        """Raises what could not be answered, once the record of it is closed."""
        call = Call(id, endpoint.name, endpoint.path, self._path.clock())
        try:
            key = self._service.keys.record_of(request.secret, time.time())
            call.team = team_of(key)
            check_asks(key)
            if (sampler := self._service.sampler) is not None:
                call.trace = sampler.begin(request.headers.get(b"traceparent"), call.started)
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
        async with Watch(reply, self._service.keep_alive_s) as watch:
            watch.allow(BODY, call.started)
            body = decode_object(await request.body(limits.body_size), limits.json_depth)
            watch.client(request)
            parsed = call.request = endpoint.parse(body, limits)
            with step(call.trace, Stage.DECIDE, self._path.clock):
                route = self._decide(parsed, call)
            await self._sender.answer(Going.of(call, reply, parsed, watch), route)

    def _decide(self, parsed: wire.WireRequest, call: Call) -> Route:
        service = self._service
        facts = routing.facts_of(
            parsed.model,
            parsed.messages,
            enable_thinking=parsed.enable_thinking,
            reasoning_effort=parsed.reasoning_effort,
            tools=parsed.tools,
        )
        cap = None if parsed.cap is None else parsed.cap.tokens
        call.tokens = expected_tokens(facts.prompt_chars, cap, parsed.choices)
        route = routing.choose(facts, service.family, service.standing.held.forced)
        # A bare prompt has no switch.
        return route if parsed.is_chat else replace(route, mode=Mode.PLAIN)

    def _admit(self) -> None:
        refusal = admission.refusal(self._in_flight, self._service.limits.concurrent_requests)
        if refusal is not None:
            raise refusal
        self._in_flight += 1
        self._service.observer.in_flight(1)

    def _release(self) -> None:
        self._in_flight -= 1
        self._service.observer.in_flight(-1)
