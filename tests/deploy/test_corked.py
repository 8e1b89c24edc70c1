"""One write a turn, in order, and none lost at the end of a connection."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import pytest
import uvicorn

from deploy import corked
from deploy.corked import MAX_HEADERS, Corked, CorkedProtocol


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

    def get_write_buffer_size(self) -> int:
        return 0


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
    """`/stream` in three messages, `/flood` in many large ones, anything else in two."""
    if scope["path"] == "/flood":
        await _flood(send)
        return
    headers = [] if scope["path"] == "/stream" else [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/stream":
        for part in (b"one ", b"two "):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"done"})


FLOOD, WAVE = 100, b"x" * 64 * 1024
"""Far more than what lies in buffers of 64 KiB on both sides."""


async def _flood(send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(FLOOD):
        await send({"type": "http.response.body", "body": WAVE, "more_body": True})
        await asyncio.sleep(0)  # till the next turn, or all of it would leave as one
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a server with this protocol."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(WAVE))
    config = uvicorn.Config(_answer, http=CorkedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def test_answers_and_streams_of_a_server_are_whole_on_one_connection(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for path, expected in (("/", b"done"), ("/stream", b"one two done"), ("/", b"done")):
            async with session.get(url + path) as response:
                assert await response.read() == expected


async def said(port: int, *pieces: bytes | float) -> bytes:
    """All that the server says to these bytes until it closes; a number is a pause in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                await writer.drain()
            else:
                await asyncio.sleep(piece)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def error_of(answer: bytes) -> tuple[int, str]:
    """Status and code, if the answer is one in OpenAI's shape."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert f"content-length: {len(body)}".encode() in head
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    return int(head.split(b" ")[1]), error["code"]


HELLO = b"GET / HTTP/1.1\r\nhost: x\r\n"
LAST = b"connection: close\r\n\r\n"


def padding(size: int) -> bytes:
    return b"x-padding: " + b"x" * size + b"\r\n"


TOO_MUCH = padding(MAX_HEADERS)


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        pytest.param([b"nonsense\r\n\r\n"], (400, "malformed_request"), id="no HTTP"),
        pytest.param([b"GET / HTTP/9.9\r\n\r\n"], (400, "malformed_request"), id="a new version"),
        pytest.param([HELLO + b"a b: c\r\n\r\n"], (400, "malformed_request"), id="a bad header"),
        pytest.param([HELLO + TOO_MUCH + LAST], (431, "headers_too_large"), id="large at once"),
        pytest.param(
            [HELLO, 0.1, TOO_MUCH[:40_000], 0.1, TOO_MUCH[40_000:] + LAST],
            (431, "headers_too_large"),
            id="large in pieces",
        ),
        pytest.param(
            [HELLO, 0.1, TOO_MUCH[:40_000], 0.1, TOO_MUCH[40_000:-2]],
            (431, "headers_too_large"),
            id="large without an end",
        ),
        pytest.param(
            [b"GET /" + b"x" * MAX_HEADERS + b" HTTP/1.1\r\n\r\n"],
            (431, "headers_too_large"),
            id="a long path",
        ),
    ],
)
async def test_what_is_no_request_is_told_in_openais_shape(
    port: int, pieces: list[bytes | float], error: tuple[int, str]
) -> None:
    assert error_of(await said(port, *pieces)) == error


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([HELLO + padding(MAX_HEADERS - 100) + LAST], id="headers just small enough"),
        pytest.param([HELLO, 0.1, padding(60_000), 0.1, LAST], id="in pieces"),
        pytest.param(
            [
                b"POST / HTTP/1.1\r\ncontent-length: 200000\r\n\r\n" + b"x" * 200_000 + HELLO[:9],
                0.1,
                HELLO[9:] + LAST,
            ],
            id="behind a large body",
        ),
    ],
)
async def test_what_is_within_the_bounds_is_answered(
    port: int, pieces: list[bytes | float]
) -> None:
    answer = await said(port, *pieces)
    assert answer.endswith(b"done")
    assert b"HTTP/1.1 4" not in answer


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        pytest.param([HELLO], (408, "request_timeout"), id="headers without an end"),
        pytest.param(
            [HELLO + b"\r\n", 0.1, HELLO], (408, "request_timeout"), id="of a second request"
        ),
        pytest.param([], None, id="no word at all"),
    ],
)
async def test_headers_that_do_not_end_are_not_waited_for(
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    pieces: list[bytes | float],
    error: tuple[int, str] | None,
) -> None:
    monkeypatch.setattr(corked, "HEADERS_WITHIN_S", 0.3)
    answer = await said(port, *pieces)
    last = answer[answer.rfind(b"HTTP/1.1") :] if answer else b""
    assert (error_of(last) if last else None) == error


async def test_an_answer_under_way_is_not_mixed_with_an_error(port: int) -> None:
    answer = await said(port, b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n", b"nonsense\r\n\r\n")
    assert b"malformed_request" not in answer


@contextmanager
def asked(port: int, path: str) -> Iterator[socket.socket]:
    """A client with little room for what it does not read."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, len(WAVE))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        yield sock


async def read_all(sock: socket.socket) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while piece := await asyncio.wait_for(loop.sock_recv(sock, len(WAVE)), 5):
        got += piece
    return bytes(got)


async def until(under_way: int) -> None:
    """So many answers are."""
    for _ in range(500):
        if sum("run_asgi" in repr(task) for task in asyncio.all_tasks()) == under_way:
            return
        await asyncio.sleep(0.01)
    msg = f"never {under_way} under way"
    raise AssertionError(msg)


async def test_a_client_that_takes_nothing_holds_nothing(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corked, "TAKEN_WITHIN_S", 0.2)
    with asked(port, "/flood") as sock:
        await until(1)
        await until(0)
        answer = await read_all(sock)
    assert len(answer) < FLOOD * len(WAVE) / 2


async def test_nor_does_one_that_leaves_the_end_of_its_answer(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is with the server: the answer is over, and less waits than anybody is held up for."""
    monkeypatch.setattr(corked, "TAKEN_WITHIN_S", 0.2)
    monkeypatch.setattr("tests.deploy.test_corked.FLOOD", 6)
    with asked(port, "/flood") as sock:
        await asyncio.sleep(0.8)
        answer = await read_all(sock)
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_client_that_reads_slowly_gets_its_whole_answer(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corked, "TAKEN_WITHIN_S", 0.3)
    loop = asyncio.get_running_loop()
    with asked(port, "/flood") as sock:
        slowly = 0
        for _ in range(40):
            slowly += len(await loop.sock_recv(sock, len(WAVE) // 2))
            await asyncio.sleep(0.02)
        answer = await read_all(sock)
    assert answer.endswith(b"0\r\n\r\n")
    assert slowly + len(answer) > FLOOD * len(WAVE)
