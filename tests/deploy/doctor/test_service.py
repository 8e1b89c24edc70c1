"""A service elsewhere, a hub, and who listens: over real HTTP, and of facts."""

import json
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.hub import of_hub
from deploy.doctor.listening import of_listeners
from deploy.doctor.service import ask, of_key, of_service
from deploy.local.listeners import Listener

Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def started(body: bytes, status: int = 200, ahead_s: float = 0.0) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.send_response(status)
                self.end_headers()

            def date_time_string(self, timestamp: float | None = None) -> str:
                import time

                return formatdate(time.time() + ahead_s, usegmt=True)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield started
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "ok"), (401, "fail"), (403, "warn"), (500, "warn")]
)
def test_a_key_is_tried(start: Start, status: int, verdict: str) -> None:
    (found,) = of_key(start(b"{}", status=status), "bf-a")
    assert (found.check, found.verdict) == ("key", verdict)


def test_of_a_service_that_does_not_answer_no_key_is_told() -> None:
    assert list(of_key("http://127.0.0.1:9", "bf-a")) == []


def pool(**changes: Any) -> dict[str, Any]:
    return {"ready": True, "replicas": 2, "answering": 2, "reason": None} | changes


def bad(url: str) -> list[Finding]:
    return [each for each in of_service(ask(url)) if each.verdict is not Verdict.OK]


@pytest.mark.parametrize(
    ("pools", "verdict", "says"),
    [
        pytest.param(pool(ready=False, reason="it is loading"), "fail", "it is loading", id="not"),
        pytest.param(pool(answering=1), "warn", "1 of 2 replicas answer", id="one is failing"),
    ],
)
def test_a_pool_that_is_not_as_it_should_be(
    start: Start, pools: Any, verdict: str, says: str
) -> None:
    url = start(json.dumps({"pools": {"qwen3-8b": pools}}).encode(), status=503)
    (found,) = bad(url)
    assert (found.verdict, says in found.seen) == (verdict, True)


def test_a_service_that_is_well(start: Start) -> None:
    assert bad(start(json.dumps({"pools": {"qwen3-8b": pool()}}).encode())) == []


def test_a_clock_that_goes_wrong(start: Start) -> None:
    (found,) = bad(start(b'{"pools": {}}', ahead_s=120))
    assert (found.check, "s before ours" in found.seen) == ("clock", True)


def test_something_else_at_that_address(start: Start) -> None:
    (found,) = bad(start(b"<html>"))
    assert "no gateway of ours" in found.seen


def test_nothing_at_that_address() -> None:
    (found,) = bad("http://127.0.0.1:9")
    assert "nothing answers at http://127.0.0.1:9" in found.seen


def test_a_hub_within_reach_and_one_that_is_not(start: Start) -> None:
    url = start(b"", status=401)
    assert of_hub(url, ("qwen3-8b",)).verdict is Verdict.OK, "any answer will do"
    away = of_hub("http://127.0.0.1:9", ("qwen3-8b",))
    assert (away.verdict, "weights.address" in str(away.remedy)) == (Verdict.WARN, True)


GATEWAY = Listener("python -m deploy.cli gateway", 1, "0.0.0.0", 8000)
LOOPBACK = Listener("raylet", 2, "127.0.0.1", 6379)
REPLICA = Listener("ray::ServeReplica:pocket", 3, "0.0.0.0", 30001)
ENGINE = Listener("VLLM::EngineCore", 4, "0.0.0.0", 5555)


@pytest.mark.parametrize(
    ("found", "verdict", "says"),
    [
        pytest.param([LOOPBACK], "ok", "1 of 1 on loopback", id="all on loopback"),
        pytest.param([LOOPBACK, GATEWAY, REPLICA], "ok", "2 beyond it for known", id="known"),
        pytest.param([ENGINE, LOOPBACK], "fail", "VLLM::EngineCore on port 5555", id="an engine"),
    ],
)
def test_who_listens(found: list[Listener], verdict: str, says: str) -> None:
    told = of_listeners(found, 8000)
    assert (told.verdict, says in told.seen) == (verdict, True), told
