"""The gateway's process: started again, ever later, when it does not last."""

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.local.gateway import Gateway, answers, command
from deploy.local.ports import free_ports


def gateway(tmp_path: Path, code: str) -> Gateway:
    return Gateway([sys.executable, "-c", code], os.environ, tmp_path / "log")


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


def test_it_is_our_own_command() -> None:
    assert command(Path("/s/cluster.yaml"))[1:] == [
        "-m", "deploy.cli", "gateway", "--config", "/s/cluster.yaml",
    ]  # fmt: skip


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

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
