"""The least that a gateway could do: parse the body, rewrite the model, pass the bytes through.

No keys, no limits, no decision, no metrics, no care for failures: it marks what the way itself
costs in this language. `UPSTREAM=http://... python -m uvicorn ops.bench.passthrough:application`.
"""

import os
from typing import Any, Final

import aiohttp
import msgspec

from ops.bench.mock import Message, Receive, Scope, Send

_FORWARDED: Final = frozenset({"content-type", "content-length"})
IDLE_S: Final = 4.0
"""uvicorn closes an idle connection after 5 s; one that is taken must not close just then."""


class PassThrough:
    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession
        """From the lifespan's beginning, before any request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        url = self._upstream + scope["path"]
        body = await _rewritten(receive)
        async with self._session.request(scope["method"], url, data=body, headers=_JSON) as answer:
            await send(_start(answer))
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


_JSON: Final = {"content-type": "application/json"}


async def _rewritten(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    if not body:
        return body
    request: dict[str, Any] = msgspec.json.decode(body)
    request["model"] = "mock"
    return msgspec.json.encode(request)


def _start(answer: aiohttp.ClientResponse) -> Message:
    headers = [
        (name.lower().encode(), value.encode())
        for name, value in answer.headers.items()
        if name.lower() in _FORWARDED
    ]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


application = PassThrough(os.environ.get("UPSTREAM", "http://127.0.0.1:9"))
