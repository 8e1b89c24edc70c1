"""One write a turn, in order, and none lost at the end of a connection."""

import asyncio
import socket

import aiohttp
import uvicorn

from deploy.corked import Corked, CorkedProtocol


class Recorded(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_what_is_written_in_one_turn_leaves_as_one() -> None:
    inner = Recorded()
    corked = Corked(inner, asyncio.get_running_loop())
    corked.write(b"headers ")
    corked.write(b"body")
    assert inner.written == []
    await asyncio.sleep(0)
    assert inner.written == [b"headers body"]
    corked.write(b"next")
    await asyncio.sleep(0)
    assert inner.written == [b"headers body", b"next"]


async def test_closing_sends_what_was_written_first() -> None:
    inner = Recorded()
    corked = Corked(inner, asyncio.get_running_loop())
    corked.write(b"last words")
    corked.close()
    await asyncio.sleep(0)
    assert (inner.written, inner.closed) == ([b"last words"], True)


async def test_a_connection_that_is_gone_takes_no_more() -> None:
    inner = Recorded()
    corked = Corked(inner, asyncio.get_running_loop())
    corked.write(b"to nobody")
    inner.close()
    await asyncio.sleep(0)
    assert inner.written == []


async def test_all_else_is_the_transports() -> None:
    corked = Corked(Recorded(), asyncio.get_running_loop())
    assert corked.get_extra_info("peername") == ("127.0.0.1", 1)


async def _answer(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """`/stream` in three messages, anything else in two."""
    headers = [] if scope["path"] == "/stream" else [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/stream":
        for part in (b"one ", b"two "):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"done"})


async def test_answers_and_streams_of_a_server_are_whole_on_one_connection() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_answer, http=CorkedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            for path, expected in (("/", b"done"), ("/stream", b"one two done"), ("/", b"done")):
                async with session.get(url + path) as response:
                    assert await response.read() == expected
    finally:
        server.should_exit = True
        await serving
