"""The door of a replica: an ASGI middleware inside vLLM's server (engine argument `middleware`).

It lets in who holds the pool's token, shows the few paths that the gateway uses, tells the engine's
load with every answer, keeps thinking out of content, and adds `reasoning_content`; to the page of
metrics it adds where the start went. Who may use the service, and how much, the gateway says.
"""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from serving.errors import BadKey, BifocalError, EngineUnavailable, UnknownPath
from serving.pools.gauges import GAUGES, header_value
from serving.pools.pulse import PULSE
from serving.pools.reasoning import StreamRewriter, rewrite
from serving.pools.started import STARTED
from serving.pools.straying import settle
from serving.wire.load import HEADER

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

TOKEN_VARIABLE: Final = "BIFOCAL_POOL_TOKEN"  # noqa: S105  # a name, not a secret
LOAD_HEADER: Final = HEADER.encode()
HEALTH: Final = "/health"
METRICS: Final = "/metrics"
CHAT: Final = "/v1/chat/completions"
RESTART_S: Final = 60
"""About what Serve takes to replace a replica."""
PATHS: Final = frozenset({HEALTH, METRICS, CHAT, "/v1/completions"})


class NoPoolToken(Exception):
    """The replica would stand open."""


class Door:
    """`token` defaults to the environment's, which a replica inherits from its node: Ray's REST
    API shows an application's own environment to everyone."""

    def __init__(self, app: App, token: str | None = None) -> None:
        token = token or os.environ.get(TOKEN_VARIABLE)
        if not token:
            raise NoPoolToken(f"{TOKEN_VARIABLE} is not set, so this replica would stand open")
        self._app = app
        self._expected = b"Bearer " + token.encode()
        self._under_way: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        elif error := self._refusal(scope):
            await _refuse(error, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ray cancels a request whose client has hung up. Of that vLLM tells its engine nothing
        where an answer is not streamed, and it would be generated to its end; of a hang-up that it
        hears from `receive` it does. So it is told that way, and ends by itself."""
        hearing = Hearing(receive)
        # A stranger, who may ask for nothing but health, is not told the load.
        send = _sender(scope, send) if self._knows(scope) else send
        answering = asyncio.ensure_future(self._app(_plain(scope), hearing, send))
        self._under_way.add(answering)
        answering.add_done_callback(self._ended)
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            hearing.hung_up.set()
            raise

    def _ended(self, answering: "asyncio.Future[None]") -> None:
        self._under_way.discard(answering)
        if not answering.cancelled():
            answering.exception()  # nobody may be left to hear of it

    def _knows(self, scope: Scope) -> bool:
        return hmac.compare_digest(_authorization(scope), self._expected)

    def _refusal(self, scope: Scope) -> BifocalError | None:
        path = _path(scope)
        if path != HEALTH and not self._knows(scope):
            return BadKey("this replica answers only to the gateway of its cluster")
        if path not in PATHS:
            return UnknownPath(f"{path} is not served; a replica has {', '.join(sorted(PATHS))}")
        if path == HEALTH and PULSE.stuck:  # vLLM's own answer would be that all is well
            return EngineUnavailable("the engine takes no step", retry_after_s=RESTART_S)
        return None


class Hearing:
    """`receive`, and a hang-up that it may not tell of."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.hung_up = asyncio.Event()

    async def __call__(self) -> Message:
        told = asyncio.ensure_future(self._receive())
        gone = asyncio.ensure_future(self.hung_up.wait())
        try:
            await asyncio.wait((told, gone), return_when=asyncio.FIRST_COMPLETED)
            return told.result() if told.done() else {"type": "http.disconnect"}
        finally:
            told.cancel()
            gone.cancel()


def _path(scope: Scope) -> str:
    """Without the pool's route prefix, as the application's router sees it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _authorization(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    return b""


async def _refuse(error: BifocalError, send: Send) -> None:
    body = msgspec.json.encode(error.body())
    headers = [(name.encode(), value.encode()) for name, value in error.headers().items()]
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _load(scope: Scope) -> Header:
    """vLLM keeps its engine in the application's state."""
    unfinished = scope["app"].state.engine_client.get_num_unfinished_requests()
    return LOAD_HEADER, header_value(GAUGES.total(unfinished))


def _plain(scope: Scope) -> Scope:
    """A page of metrics is asked for as text that is not packed: lines are added to it."""
    if _path(scope) != METRICS:
        return scope
    headers = [header for header in scope["headers"] if not header[0].startswith(b"accept")]
    return {**scope, "headers": headers}


def _sender(scope: Scope, send: Send) -> Send:
    """What sends the application's answer on: only a chat holds reasoning."""
    if _path(scope) == CHAT:
        return ChatAnswer(scope, send)
    if _path(scope) == METRICS:
        send = _with_start(send)

    async def with_load(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _load(scope)]
        await send(message)

    return with_load


def _with_start(send: Send) -> Send:
    """With where the replica's start went at the page's end."""

    async def longer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            message["headers"] = [h for h in headers if h[0] != b"content-length"]
        elif not message.get("more_body", False):
            message["body"] = message.get("body", b"") + STARTED.lines
        await send(message)

    return longer


class ChatAnswer:
    """The sending side of one chat: a stream is rewritten event by event as it passes; any other
    body is short, so it is collected, rewritten and sent with its new length."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._start: Message | None = None
        """Held back until the body's length is known."""
        self._parts: list[bytes] = []
        self._stream: StreamRewriter | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif self._stream is not None:
            await self._pass_on(self._stream, message)
        else:
            await self._collect(message)

    async def _begin(self, message: Message) -> None:
        headers = [*message.get("headers", ()), _load(self._scope)]
        message["headers"] = headers
        if any(k == b"content-type" and v.startswith(b"text/event-stream") for k, v in headers):
            self._stream = StreamRewriter()
            await self._send(message)
        else:
            self._start = message

    async def _pass_on(self, stream: StreamRewriter, message: Message) -> None:
        body, more = stream.feed(message.get("body", b"")), message.get("more_body", False)
        if not more:
            body += stream.finish()
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _collect(self, message: Message) -> None:
        self._parts.append(message.get("body", b""))
        if message.get("more_body", False) or self._start is None:
            return
        body = rewrite(settle(b"".join(self._parts)))
        headers = [h for h in self._start["headers"] if h[0] != b"content-length"]
        self._start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})
