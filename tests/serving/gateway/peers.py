"""What stands for the network beside the gateway: replicas that misbehave on demand.

A `Peer` is a small ASGI application on a real server; what it answers is scripted. It stands for
a network peer, not for an engine: it generates nothing.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn

from serving.catalog import CATALOG, ModelFacts
from serving.config import Limits
from serving.gateway import (
    FixedSource,
    Gateway,
    Peering,
    Served,
    Service,
    StandingOrders,
    TargetSource,
)
from serving.keys import KeyStore, NoKeys
from serving.observer import Event, Observer, PoolNow, ReplicaFailed, RequestFinished, RequestRouted
from serving.routing import Family
from serving.routing.absence import Policy
from serving.tracing import Sampler
from serving.values import ModelName, Team

Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = Callable[[Send], Awaitable[None]]

DENSE, MOE = ModelName("pocket-dense"), ModelName("pocket-moe")


class Break(Exception):
    """Raised in an answer, it cuts the connection where the answer stands."""


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Peer:
    """Answers each request with the next of `script`; the last one stays."""

    script: list[Answer]
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """A request came."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Someone closed the connection before the answer was complete."""
    healthy: bool = True
    load: str | None = None
    page: bytes = b"vllm:num_requests_running 3\n"
    scraped: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        if scope["path"].endswith("/health"):
            await whole(b"", 200 if self.healthy else 503)(send)
            return
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        if scope["path"].endswith("/metrics"):
            self.scraped.append(headers)
            await whole(self.page, 200 if self.page else 500)(send)
            return
        self.received.append(Received(scope["path"], headers, json.loads(body)))
        self.arrived.set()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await self._watched(answer, receive, self._with_load(send))

    def _with_load(self, send: Any) -> Send:
        async def told(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and self.load is not None:
                message["headers"] = [*message["headers"], (b"x-bifocal-load", self.load.encode())]
            await send(message)

        return told

    async def _watched(self, answer: Answer, receive: Any, send: Send) -> None:
        work = asyncio.ensure_future(answer(send))
        watch = asyncio.ensure_future(receive())
        await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            self.hung_up.set()
            work.cancel()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await work


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def delta(**fields: object) -> bytes:
    return event({"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


ROLE = delta(role="assistant", content="")
USAGE = event(
    {
        "id": "c",
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
)
DONE = b"data: [DONE]\n\n"
FAILURE = b'data: {"error": {"message": "EngineCore died", "code": 500}}\n\n'
ANSWER = ROLE + delta(content="four") + delta(content="teen") + USAGE + DONE


def whole(body: bytes, status: int = 200) -> Answer:
    async def answer(send: Send) -> None:
        length = (b"content-length", str(len(body)).encode())
        headers = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def said(text: str = "fourteen", **fields: object) -> Answer:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return whole(json.dumps({"id": "c", "choices": choices, "usage": usage, **fields}).encode())


def refused(message: str, status: int, param: str | None = None) -> Answer:
    error = {"message": message, "type": "BadRequestError", "param": param, "code": status}
    return whole(json.dumps({"error": error}).encode(), status)


def streamed(*blocks: bytes | float) -> Answer:
    """Sends each block; a number is a pause in seconds."""

    async def answer(send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        for block in blocks:
            if isinstance(block, bytes):
                await send({"type": "http.response.body", "body": block, "more_body": True})
            else:
                await asyncio.sleep(block)
        await send({"type": "http.response.body", "body": b""})

    return answer


def broken(*blocks: bytes) -> Answer:
    """A stream whose connection is cut after these."""

    async def answer(send: Send) -> None:
        whole_stream = streamed(*blocks, 0.05)

        async def cut(message: dict[str, Any]) -> None:
            if message == {"type": "http.response.body", "body": b""}:
                raise Break
            await send(message)

        await whole_stream(cut)

    return answer


async def silent(send: Send) -> None:
    """Takes the request and says nothing."""
    await asyncio.sleep(60)


@dataclass
class Recorder:
    """An observer that remembers."""

    events: list[Event] = field(default_factory=list)
    now: int = 0

    def on(self, event: Event) -> None:
        self.events.append(event)

    def in_flight(self, change: int) -> None:
        self.now += change

    def render(self, pools: Sequence[PoolNow], expiries: Mapping[Team, float]) -> tuple[bytes, str]:
        there = sum(len(pool.replicas) for pool in pools)
        return f"requests 1\nreplicas {there}\n".encode(), "text/plain"

    @property
    def finished(self) -> list[RequestFinished]:
        return [event for event in self.events if isinstance(event, RequestFinished)]

    @property
    def routed(self) -> list[RequestRouted]:
        return [event for event in self.events if isinstance(event, RequestRouted)]

    @property
    def failures(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, ReplicaFailed)]

    async def last(self) -> RequestFinished:
        """The client may have its answer a moment before the record is closed."""
        for _ in range(200):
            if self.finished and self.now == 0:
                return self.finished[-1]
            await asyncio.sleep(0.01)
        msg = "no request finished"
        raise AssertionError(msg)


class _Server(uvicorn.Server):
    """uvicorn's, which starts and ends at once and leaves the test run's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up, self.stop = asyncio.Event(), asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()

    async def shutdown(self, sockets: Any = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(
    app: Any, *, lifespan: Literal["on", "off"] = "off", port: int = 0
) -> AsyncIterator[str]:
    """The application on a free port, or on this one; yields its URL."""
    config = uvicorn.Config(
        app, port=port, log_config=None, lifespan=lifespan, ws="none", access_log=False
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    await server.up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop.set()
        await task


@asynccontextmanager
async def gateway(
    *replicas: str,
    observer: Observer | None = None,
    keys: KeyStore | None = None,
    sources: list[TargetSource] | None = None,
    keep_alive_s: float = 30.0,
    longest_answer_s: float = 60.0,
    standing: StandingOrders | None = None,
    peering: Peering | None = None,
    port: int = 0,
    away: Policy | None = None,
    facts: Mapping[ModelName, ModelFacts] = CATALOG,
    sampler: Sampler | None = None,
    **limits: Any,
) -> AsyncIterator[str]:
    """A gateway before these replicas of both pocket models; yields its URL. `away` is what becomes
    of the dense one's requests when nobody can answer them."""
    policies = {DENSE: away or Policy(), MOE: Policy()}
    served = {name: Served(facts[name], "bf16", policy) for name, policy in policies.items()}
    service = Service(
        family=Family.of({name: model.facts for name, model in served.items()}),
        served=served,
        keys=keys or NoKeys(),
        observer=observer or Recorder(),
        limits=Limits.model_validate(limits),
        keep_alive_s=keep_alive_s,
        longest_answer_s=longest_answer_s,
        standing=standing or StandingOrders(),
        sampler=sampler,
    )
    fixed = [FixedSource({DENSE: replicas, MOE: replicas})]
    app = Gateway(service, sources or fixed, every_s=0.1, peering=peering)
    async with serving(app, lifespan="on", port=port) as url:
        yield url


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
