"""What a request holds and how it is answered, in ASGI's own shapes and no framework's.

A `Reply` knows whether the first byte has gone out, so it alone decides how an error is told: as
a response before, as an event in the stream after. It also fills a silence with comments.
"""

import random
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from serving.errors import (
    BifocalError,
    BodyTooLarge,
    ClientGone,
    RequestTimeout,
    UnsupportedMediaType,
)
from serving.values import RequestId
from serving.wire import sse
from serving.wire.json import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
EVENTS: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]
_bits: Final = random.Random().getrandbits
"""Seeded by the system. A request's id is no secret, and this costs no system call."""
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_CURL: Final = "-H 'content-type: application/json'"
_BEARER: Final = re.compile(rb"bearer +(\S+) *", re.IGNORECASE)


def request_id(given: bytes | None) -> RequestId:
    """The client's own, if it may stand in a log and in a header; else a fresh one.

    Two requests may bear the same one: vLLM adds bits of its own to what it names a generation by.
    """
    if given is not None and _SANE_ID.fullmatch(given):
        return RequestId(given.decode())
    return RequestId(f"req-{_bits(96):024x}")


class Request:
    """One request, its body not yet read."""

    __slots__ = ("headers", "method", "path", "query", "receive")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive

    @property
    def secret(self) -> str | None:
        """The key that it carries, if any."""
        bearer = self.headers.get(b"authorization")
        if bearer is not None and (found := _BEARER.fullmatch(bearer)):
            return found[1].decode("latin-1")
        key = self.headers.get(b"x-api-key")
        return None if key is None else key.strip().decode("latin-1")

    async def body(self, limit: int) -> bytes:
        """All of it, if it is JSON by its own account and within the limit."""
        self._check_headers(limit)
        return await self._read(limit)

    def _check_headers(self, limit: int) -> None:
        kind = self.headers.get(b"content-type", b"")
        if kind != b"application/json" and not _is_json(kind):
            found = f"is {kind[:64].decode('latin-1')!r}" if kind else "is missing"
            msg = f"content-type {found}; send `content-type: application/json` (curl: {_CURL})"
            raise UnsupportedMediaType(msg)
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            msg = "content-encoding is not supported; send the body as it is"
            raise UnsupportedMediaType(msg)
        if int(self.headers.get(b"content-length", b"0")) > limit:
            raise _too_large(limit)

    async def _read(self, limit: int) -> bytes:
        message = await self.receive()
        body: bytes | bytearray = message.get("body", b"")
        if message.get("more_body", False):
            body = bytearray(body)  # bytes would be copied whole with each piece
        while message.get("more_body", False) and len(body) <= limit:
            message = await self.receive()
            body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            msg = "the client hung up before its request was read"
            raise ClientGone(msg)
        if len(body) > limit:
            raise _too_large(limit)
        return bytes(body)

    async def hang_up(self) -> None:
        """Returns when the client is gone, or its answer complete."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _is_json(kind: bytes) -> bool:
    """By vLLM's rule: nothing else, and not nothing. A web page can send any other type, or none,
    to an endpoint on its reader's machine without asking; for this one a browser asks first."""
    return kind.partition(b";")[0].strip().lower() == b"application/json"


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than the {limit} bytes that are allowed")


class Reply:
    """The answer on its way out."""

    __slots__ = ("_clock", "_send", "complete", "headers", "last_event", "started", "stuck")

    def __init__(self, send: Send, request_id: str, clock: Callable[[], float]) -> None:
        self._send, self._clock = send, clock
        self.last_event = clock()
        self.headers: Headers = [(b"x-request-id", request_id.encode())]
        self.started = False
        self.stuck = False
        """Whether something is ready for the client that it does not take."""
        self.complete = False

    async def whole(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        length = (b"content-length", b"%d" % len(body))
        await self._start(status, [*self.headers, length, *headers])
        await self.end(body)

    async def json(self, status: int, value: object, *headers: tuple[bytes, bytes]) -> None:
        await self.whole(status, encode(value), JSON, *headers)

    async def events(self, data: bytes) -> None:
        """Whole events of a stream, which begins with the first of them."""
        if not self.started:
            await self._start(200, [*self.headers, *EVENTS])
        self.last_event = self._clock()
        self.stuck = True
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.stuck = False

    async def comment(self) -> None:
        """Says nothing, in a stream that may have ended since it was called for."""
        if not self.complete:
            await self.events(sse.KEEP_ALIVE)

    async def end(self, data: bytes = b"") -> None:
        self.complete = True
        await self._send({"type": "http.response.body", "body": data})

    async def error(self, error: BifocalError) -> None:
        """The one place where an error becomes bytes."""
        if self.complete or isinstance(error, ClientGone):
            return
        if self.started:
            await self.end(sse.error_event(error))
            return
        extra = [(name.encode(), value.encode()) for name, value in error.headers().items()]
        if isinstance(error, BodyTooLarge | RequestTimeout):
            extra.append((b"connection", b"close"))  # the rest of the body is not read
        await self.json(error.status, error.body(), *extra)

    async def _start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
