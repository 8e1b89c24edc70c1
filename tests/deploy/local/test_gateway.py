"""The gateway's process: started again, ever later, when it does not last; followed by another."""

import asyncio
import errno
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest

from deploy.local import gateway as gateways
from deploy.local.gateway import Gateway, answers, command, offered
from deploy.local.ports import free_ports
from tests.serving.gateway.peers import (
    ANSWER,
    DONE,
    ROLE,
    Answer,
    Peer,
    Send,
    delta,
    said,
    serving,
    streamed,
)


def gateway(tmp_path: Path, code: str) -> Gateway:
    return Gateway([sys.executable, "-c", code], os.environ, tmp_path / "log")


def goes_on() -> bool:
    return False


CLUSTER = """
gpus: {{cpu: {{kind: cpu}}}}
models: {{pocket-dense: {{on: cpu, targets: ["{replica}"]}}}}
gateway: {{keepAlive: {keep_alive}}}
"""


@asynccontextmanager
async def running(folder: Path, replica: str) -> AsyncIterator[tuple[Gateway, str, list[str]]]:
    """The real one; its URL; and the command of another."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BIFOCAL_")}
    files = [folder / "one.yaml", folder / "other.yaml"]
    for file, keep_alive in zip(files, ("10s", "20s"), strict=True):
        file.write_text(CLUSTER.format(replica=replica, keep_alive=keep_alive))
    (port,) = free_ports(1)
    found = Gateway(command(files[0]), env, folder / "log")
    found.listen("127.0.0.1", port)
    found.start(now=0.0)
    try:
        yield found, f"http://127.0.0.1:{port}", command(files[1])
    finally:
        await asyncio.to_thread(found.end)


BODY = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


def paused(on: asyncio.Event) -> Answer:
    """An answer that goes on when it is told."""

    async def answer(send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        begun = ROLE + delta(content="four")
        await send({"type": "http.response.body", "body": begun, "more_body": True})
        await on.wait()
        await send({"type": "http.response.body", "body": DONE})

    return answer


async def ask_on(client: aiohttp.ClientSession, url: str, enough: asyncio.Event) -> int:
    """Asks again as soon as it has an answer, on the same connection while that lasts."""
    whole = 0
    while not enough.is_set():
        async with client.post(url, json=BODY) as response:
            assert (await response.read()).endswith(DONE)
            whole += 1
    return whole


@pytest.mark.process
async def test_another_takes_over_and_neither_a_request_nor_a_stream_is_lost(
    tmp_path: Path,
) -> None:
    enough, on = asyncio.Event(), asyncio.Event()
    peer = Peer([paused(on), streamed(ANSWER)])
    async with (
        serving(peer) as replica,
        running(tmp_path, replica) as (gateway, url, other),
        aiohttp.ClientSession() as client,
        aiohttp.ClientSession() as idle,
    ):
        chat, before = f"{url}/v1/chat/completions", gateway.id
        async with client.post(chat, json=BODY) as stream:
            async with idle.get(f"{url}/health") as answer:
                assert "close" not in answer.headers.get("connection", "")
            clients = [asyncio.create_task(ask_on(client, chat, enough)) for _ in range(8)]
            assert await asyncio.to_thread(gateway.hand_over, other, 1.0, goes_on) is None
            assert gateway.leaving == (before,)
            await asyncio.sleep(0.5)
            async with idle.get(f"{url}/health") as answer:  # by the one that leaves
                assert answer.headers["connection"] == "close"
            on.set()
            assert (await stream.read()).endswith(DONE)
        enough.set()
        assert sum(await asyncio.gather(*clients)) > 50
        async with idle.get(f"{url}/health") as answer:  # by the other
            assert "close" not in answer.headers.get("connection", "")
        await client.close()  # an idle connection is kept as long as ever
        for _ in range(200):
            if all_left(gateway):
                break
            await asyncio.sleep(0.05)
        assert all_left(gateway)


def all_left(gateway: Gateway) -> bool:
    return not gateway.leaving


@pytest.mark.process
async def test_one_that_cannot_start_takes_over_from_nobody(tmp_path: Path) -> None:
    async with serving(Peer([said()])) as replica, running(tmp_path, replica) as (gateway, url, _):
        before = gateway.id
        nothing = command(tmp_path / "nothing.yaml")
        why = await asyncio.to_thread(gateway.hand_over, nothing, 1.0, goes_on)
        assert why is not None
        assert "ended with 2" in why
        assert (gateway.id, gateway.leaving) == (before, ())
        async with aiohttp.ClientSession() as client, client.get(f"{url}/health") as answer:
            assert answer.status == 200


def wait(found: Gateway) -> None:
    assert found._process is not None
    found._process.wait()


def test_one_that_dies_at_once_is_started_again_ever_later(tmp_path: Path) -> None:
    found = gateway(tmp_path, "raise SystemExit(7)")
    found.start(now=0.0)
    restarts = []
    for tenth in range(400):
        wait(found)
        if found.restart_if_due(tenth / 10):
            restarts.append(tenth / 10)
    wait(found)
    assert restarts == [1.0, 3.0, 7.0, 15.0, 31.0]


def test_one_that_lived_long_is_started_again_at_once(tmp_path: Path) -> None:
    found = gateway(tmp_path, "raise SystemExit(7)")
    found.start(now=0.0)
    wait(found)
    assert found.restart_if_due(61.0)
    wait(found)
    assert found.restart_if_due(63.0)
    wait(found)


def test_one_that_runs_is_left_alone_and_ends_when_told(tmp_path: Path) -> None:
    found = gateway(tmp_path, "import time; time.sleep(60)")
    found.start(now=0.0)
    assert not found.restart_if_due(1000.0)
    assert found.exit_code is None
    found.end()
    assert found.exit_code is not None


def no_fork(*_: object) -> NoReturn:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_where_none_can_be_started_the_one_that_runs_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gateway(tmp_path, "import time; time.sleep(60)")
    found.start(now=0.0)
    before, open_files = found.id, len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as full:
        full.setattr(gateways, "spawn", no_fork)
        why = found.hand_over(["another"], 1.0, goes_on)
    assert why == f"another gateway cannot be started: [Errno {errno.EAGAIN}] " + os.strerror(
        errno.EAGAIN
    )
    assert (found.id, found.leaving, found.exit_code) == (before, (), None)
    assert len(os.listdir("/proc/self/fd")) == open_files
    found.end()


def test_one_that_cannot_be_started_again_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = gateway(tmp_path, "raise SystemExit(7)")
    found.start(now=0.0)
    wait(found)
    with monkeypatch.context() as full:
        full.setattr(gateways, "spawn", no_fork)
        assert not found.restart_if_due(10.0)
    assert "cannot be started again" in caplog.text
    assert not found.restart_if_due(11.0)
    assert found.restart_if_due(12.0)
    wait(found)


def test_a_service_that_ends_waits_for_no_other_gateway(tmp_path: Path) -> None:
    found = gateway(tmp_path, "import time; time.sleep(60)")
    found.listen("127.0.0.1", 0)
    found.start(now=0.0)
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    looks = iter((False, True, True))
    began = time.monotonic()
    why = found.hand_over(silent, 1.0, lambda: next(looks))
    assert time.monotonic() - began < 10
    assert why == "the service ends, so the new gateway did not take over"
    assert found.leaving == ()
    found.end()


def test_it_is_our_own_command() -> None:
    assert command(Path("/s/cluster.yaml"))[1:] == [
        "-m", "deploy.cli", "gateway", "--config", "/s/cluster.yaml",
    ]  # fmt: skip


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(b'{"pools": {"a": {"ready": true}, "b": {"ready": false}}}')

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_it_answers_if_it_says_200(port: int) -> None:
    assert answers("127.0.0.1", port)
    assert not answers("127.0.0.1", port, "/ready")
    assert not answers("127.0.0.1", free_ports(1)[0])


def test_it_says_which_pools_it_knows_to_be_ready(port: int) -> None:
    assert offered("127.0.0.1", port) == {"a"}
    assert offered("127.0.0.1", free_ports(1)[0]) == frozenset()
