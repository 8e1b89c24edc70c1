"""A parsed request on its way to a pool: to its own, or to whoever stands in while that is away.

The body is made for each pool anew from what the client sent, and the headers say of the one that
answers. When a pool is away, `away` says what to do.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

from serving import thinking
from serving.errors import BifocalError, ContextOverflow, PoolDrained
from serving.gateway.asgi import Headers, Reply
from serving.gateway.away import AWAY, Away
from serving.gateway.call import Call
from serving.gateway.relay import Path, relay
from serving.gateway.service import Service
from serving.gateway.watch import Watch
from serving.observer import RequestRouted
from serving.routing.absence import most_waiting
from serving.tracing import Stage, step
from serving.values import Mode, ModelName, Route
from serving.wire import request as wire

DRAINED_RETRY_S: Final = 30
"""Nobody knows when an operator is done; half a minute is neither rude nor long."""


@dataclass(slots=True)
class Going:
    """What belongs to one request."""

    call: Call
    reply: Reply
    parsed: wire.WireRequest
    watch: Watch
    body: dict[str, Any]
    """As the client sent it."""
    headers: int
    """Of the reply, before it is known who answers."""

    @classmethod
    def of(cls, call: Call, reply: Reply, parsed: wire.WireRequest, watch: Watch) -> Self:
        return cls(call, reply, parsed, watch, parsed.body, len(reply.headers))

    @property
    def may_go_elsewhere(self) -> bool:
        """No replica has seen it, and the client has seen nothing of an answer."""
        return not (self.call.seen or self.reply.started)

    def tell(self, route: Route, instead_of: ModelName | None = None) -> None:
        self.call.route = route
        self.reply.headers[self.headers :] = _told(route, instead_of)


class Sender:
    """Knows all that requests have in common."""

    def __init__(self, service: Service, path: Path) -> None:
        self._service, self._path = service, path
        self._away = Away(
            path.pools,
            {name: model.absence for name, model in service.served.items()},
            service.family,
            service.standing,
            most_waiting=most_waiting(service.limits.concurrent_requests),
            clock=path.clock,
        )

    async def answer(self, going: Going, route: Route) -> None:
        """Sends the whole answer to the client, or raises."""
        since, tries = self._path.clock(), 0
        while True:
            try:
                await self._send(going, route)
            except AWAY as error:
                if not going.may_go_elsewhere:
                    raise
                why: BifocalError = error
            else:
                return
            to = await self._while_away(going, route, since, tries)
            if to is None:
                raise self._away.refusal(route, why)
            if to != route:
                await self._stand_in(going, route, to, why)
                return
            tries += 1

    async def _while_away(
        self, going: Going, route: Route, since: float, tries: int
    ) -> Route | None:
        going.watch.hush()
        going.watch.allow(self._path.longest_answer, going.call.started)
        any_mode = not going.parsed.is_chat
        with step(going.call.trace, Stage.HOLD, self._path.clock, route):
            return await self._away.next(route, since, tries, any_mode=any_mode)

    async def _stand_in(self, going: Going, home: Route, other: Route, why: BifocalError) -> None:
        """What the other cannot do is no fault of the request: then it is as if there were none."""
        try:
            await self._send(going, other, instead_of=home.model)
        except (*AWAY, ContextOverflow) as error:
            overflowed = isinstance(error, ContextOverflow)
            if going.reply.started or (going.call.seen and not overflowed):
                raise
            going.tell(home)
            raise self._away.refusal(home, why) from None

    async def _send(self, going: Going, route: Route, instead_of: ModelName | None = None) -> None:
        call, reply, parsed, watch = going.call, going.reply, going.parsed, going.watch
        parsed.body = dict(going.body)
        cap_is_ours = wire.order(parsed, _orders(route, parsed, self._service))
        if call.route != route:
            self._service.observer.on(RequestRouted(call.id, call.team, route))
        going.tell(route, instead_of)
        if route.model in self._service.standing.held.drained:
            msg = f"{route.model} takes nothing new: an operator drains it"
            raise PoolDrained(msg, retry_after_s=DRAINED_RETRY_S)
        if parsed.stream:
            watch.silence()
        try:
            await relay(self._path, call, reply, parsed, route, watch)
        except ContextOverflow:
            if not cap_is_ours or reply.started:
                raise
            # The prompt and our cap did not fit together. Without the cap the engine gives what is
            # left, which is then less than the cap.
            wire.uncap(parsed)
            await relay(self._path, call, reply, parsed, route, watch)


@lru_cache(maxsize=1024)
def _told(route: Route, instead_of: ModelName | None) -> Headers:
    return [
        (b"x-bifocal-model", route.model.encode()),
        (b"x-bifocal-thinking", b"on" if route.mode is Mode.THINKING else b"off"),
        (b"x-bifocal-reason", route.reason.encode()),
        *([(b"x-bifocal-instead-of", instead_of.encode())] if instead_of else []),
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
