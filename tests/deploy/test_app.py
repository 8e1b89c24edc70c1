"""The composition root: what is built from a cluster file, and how the process ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from deploy.app import OpenEndpoint, build, check_exposure
from deploy.config import Cluster
from ops.metrics import PrometheusObserver
from serving.keys import NoKeys
from tests.serving.gateway import peers
from tests.serving.gateway.peers import Peer, serving

CLUSTER = """
gpus: {{cpu: {{kind: cpu}}}}
models:
  pocket-dense: {{on: cpu, targets: ["{replica}/v1"], targetsToken: token}}
"""


@pytest.mark.parametrize(
    ("host", "has_keys"),
    [
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("localhost", False, id="its name"),
        pytest.param("::1", False, id="of IPv6"),
        pytest.param("0.0.0.0", True, id="everywhere with keys"),
    ],
)
def test_an_endpoint_listens_on_loopback_or_has_keys(host: str, has_keys: bool) -> None:
    check_exposure(host, has_keys=has_keys)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", ""])
def test_an_endpoint_without_keys_does_not_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(OpenEndpoint, match=r"gateway\.keys"):
        check_exposure(host, has_keys=False)


@pytest.mark.parametrize(
    ("ray_url", "asked"),
    [
        pytest.param("http://ray:8265", {"http://ray:8265"}, id="one cluster for all groups"),
        pytest.param(
            "http://ray-{gpus}:8265", {"http://ray-a:8265", "http://ray-b:8265"}, id="one for each"
        ),
    ],
)
def test_each_group_of_gpus_may_be_a_ray_cluster_of_its_own(ray_url: str, asked: set[str]) -> None:
    cluster = Cluster.model_validate(
        {
            "gpus": {"a": {"kind": "cpu"}, "b": {"kind": "cpu"}},
            "models": {"pocket-dense": {"on": "a"}, "pocket-moe": {"on": "b"}},
        }
    )
    made = build(
        cluster,
        ray_url=ray_url,
        ray_token=None,
        pool_token=None,
        target_tokens={},
        keys=NoKeys(),
        observer=PrometheusObserver(),
    )
    assert {source._url.removesuffix("/api/serve/applications/") for source in made._sources} == (
        asked
    )


def gateway(*options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.cli", "gateway", *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("BIFOCAL_")}
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    msg = f"{url} did not answer"
    raise AssertionError(msg)


@pytest.mark.process
def test_the_command_refuses_an_open_endpoint() -> None:
    process = gateway("--host", "0.0.0.0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"there are no keys" in said


@asynccontextmanager
async def streaming(
    folder: Path, pause: float
) -> AsyncIterator[tuple[subprocess.Popen[bytes], aiohttp.ClientSession, aiohttp.ClientResponse]]:
    """A gateway of its own process, in the middle of an answer that pauses."""
    half = peers.ROLE + peers.delta(content="four")
    peer = Peer([peers.streamed(half, pause, peers.DONE)])
    async with serving(peer) as replica, aiohttp.ClientSession() as client:
        file, port = folder / "bifocal.yaml", free_port()
        file.write_text(CLUSTER.format(replica=replica))
        (folder / "token").write_text("theirs\n")
        process = gateway("--config", str(file), "--port", str(port))
        url = f"http://127.0.0.1:{port}"
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
        try:
            await asyncio.to_thread(wait_for, url + "/ready")
            async with client.post(url + "/v1/chat/completions", json=body) as response:
                assert peer.received[0].headers["authorization"] == "Bearer theirs"
                yield process, client, response
            await asyncio.to_thread(process.wait, timeout=30)
        finally:
            process.kill()
            process.communicate()


@pytest.mark.process
async def test_on_a_signal_answers_under_way_are_finished_and_nothing_new_is_taken(
    tmp_path: Path,
) -> None:
    async with streaming(tmp_path, pause=1.0) as (process, client, response):
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(response.url.with_path("/health"))
        got = await response.read()
    assert got.endswith(b"data: [DONE]\n\n")
    assert b"error" not in got
    assert process.returncode == 0


@pytest.mark.process
async def test_a_second_signal_ends_it_with_an_error_event(tmp_path: Path) -> None:
    async with streaming(tmp_path, pause=60.0) as (process, _, response):
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        got = await response.read()
    assert b"the gateway is stopping" in got
    assert got.endswith(b"data: [DONE]\n\n")
