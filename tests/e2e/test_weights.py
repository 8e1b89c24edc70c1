"""Pools whose weights come from a hub: one that cuts the connection, and one that is not there."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from deploy import pocket
from deploy.weights import verify
from tests.deploy.weights.loopback import COMMIT, REPOSITORY, Cut, Loopback, hub, listening
from tests.e2e.conftest import Service, running

pytestmark = pytest.mark.engine

SHARD = (pocket.folder("pocket-dense") / "model.safetensors").read_bytes()
AT = len(SHARD) * 2 // 5
GONE = f"http://127.0.0.1:9/none@{'c' * 64}"
IDLE = {"BIFOCAL_FORK_SERVER": "0"}
"""A pool that will not start need not import what its engine would."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Loopback]:
    """A hub, in a thread of its own, that cuts the first download of the weights at 40 %."""
    files = {path.name: path.read_bytes() for path in pocket.folder("pocket-dense").iterdir()}
    fake = Loopback(files, faults=[lambda request, body: Cut(AT)])
    up, down = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with listening(fake, hub(fake)):
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait(10)
    yield fake
    loop.call_soon_threadsafe(down.set)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def service(origin: Loopback) -> Iterator[Service]:
    def config(folder: Path) -> Path:
        hubbed = {"on": "cpu", "like": "pocket-dense", "source": REPOSITORY}
        gone = {"on": "cpu", "like": "pocket-moe", "source": GONE, "env": IDLE}
        cluster = {
            "gpus": {"cpu": {"kind": "cpu", "perNode": 2}},
            "models": {"from-hub": hubbed, "from-nowhere": gone},
            "weights": {"address": origin.url, "folder": "weights"},
            "gateway": {"port": 0},
        }
        (path := folder / "bifocal.yaml").write_text(yaml.safe_dump(cluster))
        return path

    with running(config) as found:
        yield found


def ask(service: Service, model: str) -> dict[str, object]:
    asked = {"model": model, "messages": [{"role": "user", "content": "What is 12 + 7?"}]}
    body, headers = json.dumps(asked).encode(), {"content-type": "application/json"}
    request = Request(f"{service.url}/v1/chat/completions", body, headers)
    with urlopen(request, timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def said(service: Service) -> str:
    return (service.state / "logs" / "up.log").read_text()


def test_a_pool_comes_up_although_its_hub_has_cut(service: Service, origin: Loopback) -> None:
    assert origin.ranges == [None, f"bytes={AT}-"]
    assert "from-hub: fetching weights" in said(service)
    folder = service.config.parent / "weights" / "hf" / REPOSITORY / COMMIT
    assert verify(folder).problems == ()
    assert ask(service, "from-hub")["choices"]


def test_the_steps_of_its_start_tell_how_long_the_weights_took(service: Service) -> None:
    status = json.loads(service.command("status", "--json").stdout)
    (pool,) = [each for each in status["pools"] if each["name"] == "from-hub"]
    assert pool["phase"] == "ready"
    assert [step["step"] for step in pool["start"]][:2] == ["process", "fetching weights"]


def test_without_its_hub_a_pool_says_so_and_the_other_serves(service: Service) -> None:
    why = "http://127.0.0.1:9/none is out of reach"
    assert f"from-nowhere is not served, the others are: {why}" in said(service)
    status = service.command("status")
    assert status.returncode == 1
    assert "from-nowhere  fetching weights  0 of 1 replicas" in status.stdout
    assert why in status.stdout
    with pytest.raises(HTTPError) as refused:
        ask(service, "from-nowhere")
    assert refused.value.code == 503
    refused.value.close()
    assert ask(service, "from-hub")["choices"]


def test_a_replica_on_two_nodes_has_its_weights_on_both() -> None:
    command = [sys.executable, "-m", "tests.e2e.fetching"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["alike"] == "/w"
    assert found["asked"] == found["nodes"]
    assert "in different folders" in found["apart"]
    assert re.fullmatch(r"node [\d.]+: answers 404", found["refused"])
