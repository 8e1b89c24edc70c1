"""How a client tells the ends of streams apart, and what it keeps of a server's answers."""

import asyncio
from typing import Any

import pytest

from ops.chaos.clients import Clients, Ending, ending_of
from tests.serving.gateway.peers import serving

CONTENT = b'data: {"choices":[{"delta":{"content":"4"}}]}\n\n'
EMPTY = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
ERROR = b'data: {"error":{"message":"the engine failed"}}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        pytest.param(EMPTY + CONTENT + DONE, Ending.WHOLE, id="whole"),
        pytest.param(EMPTY + CONTENT + ERROR + DONE, Ending.ERROR_EVENT, id="told"),
        pytest.param(EMPTY + ERROR + DONE, Ending.NO_OTHER, id="told before content"),
        pytest.param(EMPTY + CONTENT, Ending.CUT, id="cut"),
        pytest.param(b": waiting\n\n", Ending.LOST, id="nothing came"),
    ],
)
def test_the_end_of_a_stream_tells_what_became_of_it(body: bytes, ending: Ending) -> None:
    assert ending_of(body) is ending


class Break(Exception):
    """Cuts the connection."""


async def _answer(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": status == 200})


@pytest.mark.parametrize(
    ("status", "body", "headers", "ending", "told"),
    [
        pytest.param(503, b"", ((b"retry-after", b"5"),), Ending.REFUSED, "503", id="honest"),
        pytest.param(503, b"", (), Ending.LOST, "503", id="without the time to come back"),
        pytest.param(502, b"", (), Ending.LOST, "502", id="502"),
        pytest.param(200, CONTENT, (), Ending.CUT, "ClientPayloadError", id="broken amid"),
        pytest.param(200, EMPTY, (), Ending.LOST, "ClientPayloadError", id="broken before"),
    ],
)
async def test_a_client_keeps_its_own_log(
    status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...], ending: Ending, told: str
) -> None:
    asked = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await _answer(send, status, body, *headers)
        if status == 200:
            await asyncio.sleep(0.05)
            raise Break

    async with serving(app) as url:
        clients = Clients(url, {}, "pocket-dense", 1)
        clients.enough()
        asking = asyncio.create_task(clients.run())
        await asking
        assert clients.calls == []
        clients = Clients(url, {}, "pocket-dense", 1)
        asking = asyncio.create_task(clients.run())
        await asyncio.wait_for(asked.wait(), 5)
        clients.enough()
        await asking
    assert (clients.calls[0].ending, clients.calls[0].told) == (ending, told)
