"""An engine's answer on its way to the client: one attempt on one replica, and at most one more.

`stream` and `whole` are the two kinds of answer. Nothing is tried again once content went out.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from serving.accounting import usage_of
from serving.errors import AnswerTimeout, EngineError, EngineFailed, EngineUnavailable
from serving.gateway.asgi import JSON, Reply
from serving.gateway.call import Call
from serving.gateway.pool import Pools
from serving.gateway.replica import Attempt
from serving.gateway.upstream import BROKE, NO_CONNECTION, Upstream
from serving.gateway.watch import Limit, Watch
from serving.observer import Observer, ReplicaFailed
from serving.tracing import Stage, Step, step
from serving.values import ModelName, Route, Target
from serving.wire.engine import RETRY_AFTER_S, engine_error, event_error
from serving.wire.json import encode
from serving.wire.load import HEADER, parse_load
from serving.wire.request import WireRequest
from serving.wire.sse import Kind, Scanner

LINGER: Final = Limit(1.0, AnswerTimeout, "the engine did not end its answer")
"""After the last event the connection is kept for the next request if it ends by then."""


@dataclass(frozen=True, slots=True)
class Path:
    """What an answer passes through, and how long it may take."""

    pools: Pools
    upstream: Upstream
    observer: Observer
    clock: Callable[[], float]
    first_byte: Limit
    longest_answer: Limit


@dataclass(slots=True)
class Exchange:
    """One request to a pool, ready to be sent."""

    call: Call
    request: WireRequest
    model: ModelName
    body: bytes
    watch: Watch
    step: Step | None = None
    """The attempt that is under way, if the request is traced."""


async def relay(
    path: Path, call: Call, reply: Reply, request: WireRequest, route: Route, watch: Watch
) -> None:
    """Sends the whole answer to the client, or raises."""
    _allow(path, call, request, watch)
    exchange = Exchange(call, request, route.model, encode(request.body), watch)
    await _try_twice(path, exchange, reply)


def _allow(path: Path, call: Call, request: WireRequest, watch: Watch) -> None:
    """A whole answer's first byte comes with its last, so only a stream can be late with it. It
    is counted from now: the engine is not to blame for what was waited before."""
    now = path.clock()
    first, longest = path.first_byte, path.longest_answer
    if request.stream and now + first.seconds < call.started + longest.seconds:
        watch.allow(first, now)
    else:
        watch.allow(longest, call.started)


async def _try_twice(path: Path, exchange: Exchange, reply: Reply) -> None:
    target = path.pools.choose(exchange.model, time.time())
    try:
        await _attempt(path, exchange, reply, target)
    except (EngineFailed, EngineUnavailable) as error:
        _note(path, exchange, target, error)
        if exchange.call.first_token is not None:
            raise
        # If it is the engine that failed and not only this request, nobody else is sent there.
        health = await path.upstream.health(target)
        path.pools.asked(exchange.model, target.id, health, path.clock())
        exchange.call.retries += 1
        other = path.pools.choose(exchange.model, time.time(), avoid=target.id)
        try:
            await _attempt(path, exchange, reply, other)
        except (EngineFailed, EngineUnavailable) as again:
            _note(path, exchange, other, again)
            raise


async def _attempt(path: Path, exchange: Exchange, reply: Reply, target: Target) -> None:
    """It may be given up from outside, when nothing more is to be expected of the replica."""
    call, loop = exchange.call, asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as patience:
            attempt = path.pools.begin(
                exchange.model,
                target,
                call.tokens,
                path.clock(),
                lambda: patience.reschedule(loop.time()),
            )
            traced = step(call.trace, Stage.ATTEMPT, path.clock, call.route, target)
            try:
                with traced as exchange.step:
                    await _exchange(path, exchange, reply, target, attempt)
            finally:
                attempt.end()
    except TimeoutError as error:
        msg = "the replica says nothing any more"
        raise EngineUnavailable(msg, retry_after_s=RETRY_AFTER_S) from error


async def _exchange(
    path: Path, exchange: Exchange, reply: Reply, target: Target, attempt: Attempt
) -> None:
    call, traced = exchange.call, exchange.step
    parent = None if traced is None else traced.traceparent
    seen_before, call.seen = call.seen, True
    try:
        response = await path.upstream.post(target, call.path, exchange.body, call.id, parent)
    except EngineUnavailable as error:
        if isinstance(error.__cause__, NO_CONNECTION):
            call.seen = seen_before
        raise
    if traced is not None:
        traced.first_byte = path.clock()
    try:
        if response.status != 200:
            raise engine_error(response.status, await response.read())
        load = parse_load(response.headers.get(HEADER))
        path.pools.answered(exchange.model, target.id, load, path.clock())
        if exchange.request.stream:
            await stream(path, exchange, reply, response, attempt)
        else:
            await whole(path, exchange, reply, response, attempt)
    except BROKE as error:
        if not reply.complete:
            msg = "the connection to the engine broke before its answer was complete"
            raise EngineFailed(msg) from error
    finally:
        response.close()  # before its end this tells the engine to stop


async def whole(
    path: Path,
    exchange: Exchange,
    reply: Reply,
    response: aiohttp.ClientResponse,
    attempt: Attempt,
) -> None:
    body = await response.read()
    attempt.heard(path.clock())
    exchange.call.usage = usage_of(body)
    await reply.whole(200, body, JSON)


async def stream(
    path: Path,
    exchange: Exchange,
    reply: Reply,
    response: aiohttp.ClientResponse,
    attempt: Attempt,
) -> None:
    call, scanner, held = exchange.call, Scanner(), b""
    async for block in response.content.iter_any():
        attempt.heard(path.clock())
        for kind, data in scanner.feed(block):
            if kind is Kind.CONTENT:
                if call.first_token is None:
                    _begin(path, exchange)
                await reply.events(held + data if held else data)
                held = b""
            elif kind is Kind.PREAMBLE:
                held += data  # till the first content, so that another replica may begin anew
            elif kind is Kind.USAGE:
                call.usage = usage_of(data)
                if exchange.request.include_usage:
                    await reply.events(data)
            elif kind is Kind.ERROR:
                raise event_error(data)
            else:
                await reply.end(data)
                if not response.content.at_eof():
                    exchange.watch.allow(LINGER, path.clock())
    if not reply.complete:
        msg = "the engine's stream ended before the answer did"
        raise EngineFailed(msg)


def _begin(path: Path, exchange: Exchange) -> None:
    """The first content: from now on the other deadline holds."""
    call = exchange.call
    call.first_token = path.clock()
    if exchange.step is not None:
        exchange.step.first_token = call.first_token
    exchange.watch.allow(path.longest_answer, call.started)


def _note(path: Path, exchange: Exchange, target: Target, error: EngineError) -> None:
    path.pools.failed(exchange.model, target.id)
    path.observer.on(ReplicaFailed(exchange.model, _reason(error)))


def _reason(error: EngineError) -> str:
    """What the error came of; the client is told less."""
    cause = error.__cause__
    if isinstance(cause, NO_CONNECTION):  # first: one of them is a TimeoutError, too
        return "unreachable"
    if isinstance(cause, TimeoutError):
        return "silent"
    return "refused" if cause is None and isinstance(error, EngineUnavailable) else "failed"
