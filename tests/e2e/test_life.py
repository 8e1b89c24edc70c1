"""From `up` to `down`: said twice, said wrongly, killed, stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from deploy.local.processes import session
from deploy.local.state import Running, StateFolder
from tests.e2e.conftest import Service, bifocal, cluster_file, until

pytestmark = pytest.mark.engine

NO_POOLS = {"models": {"pocket-dense": {"on": "cpu", "targets": ["http://127.0.0.1:9"]}}}
"""Its replicas are somebody else's: Ray and the gateway start, no engine does."""


def answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder of its own, with a short path."""
    path = Path(tempfile.mkdtemp(prefix="bf-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_status_says_that_all_is_ready(service: Service) -> None:
    told = service.command("status", "--json")
    found = json.loads(told.stdout)
    assert told.returncode == 0
    assert (found["ready"], found["url"]) == (True, service.url)
    assert {pool["name"]: pool["phase"] for pool in found["pools"]} == {
        "pocket-dense": "ready",
        "pocket-moe": "ready",
    }


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["here", "detached"])
def test_up_twice_says_so(service: Service, detach: tuple[str, ...]) -> None:
    told = service.command("up", "--config", str(service.config), *detach)
    assert told.returncode == 5
    assert service.url in told.stderr
    assert "bifocal down" in told.stderr


def test_a_taken_port_is_named_with_its_holder(service: Service, folder: Path) -> None:
    port = int(service.url.rpartition(":")[2])
    config = cluster_file(folder, gateway={"port": port})
    told = bifocal(folder / "state", "up", "--config", str(config))
    assert told.returncode == 1
    assert f"port {port}" in told.stderr
    running = service.running  # the supervisor holds it for whatever gateway there is
    holders = [each.pid for each in (running.supervisor, running.gateway) if each]
    assert any(f"process {pid})" in told.stderr for pid in holders)
    assert StateFolder(folder / "state").load() is None


def test_weights_that_are_not_there_are_named(folder: Path) -> None:
    models = {"pocket-dense": {"on": "cpu", "source": str(folder / "nothing")}}
    config = cluster_file(folder, models=models)
    told = bifocal(folder / "state", "up", "--config", str(config))
    assert told.returncode == 1
    assert "models.pocket-dense" in told.stderr
    assert "nothing" in told.stderr


def test_a_wrong_file_is_refused_before_anything_starts(folder: Path) -> None:
    config = cluster_file(folder, gateway={"prot": 1})
    told = bifocal(folder / "state", "up", "--config", str(config), "--detach")
    assert told.returncode == 2
    assert "gateway.prot" in told.stderr


@pytest.mark.parametrize("verb", ["down", "status"])
def test_where_nothing_runs_that_is_said(folder: Path, verb: str) -> None:
    told = bifocal(folder / "state", verb)
    assert told.returncode == 4
    assert "not running" in told.stdout + told.stderr


def test_the_state_is_for_its_owner_alone(service: Service) -> None:
    for folder in (service.state, Path(service.running.temp_dir).parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("state.json", "pool-token", "ray-token", "cluster.yaml"):
        assert (service.state / name).stat().st_mode & 0o777 == 0o600


def test_the_sockets_of_engines_are_in_the_folder_that_goes_with_the_service(
    service: Service,
) -> None:
    scratch = Path(service.running.temp_dir).parent / "tmp"
    assert any(each.is_socket() for each in scratch.iterdir())


def test_a_gateway_that_dies_is_started_again(service: Service) -> None:
    before = service.running.gateway
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: service.running.gateway != before, what="another gateway")
    until(lambda: answers(service.url), what="an answer of it")
    assert "started again" in (service.state / "logs" / "up.log").read_text()


def started(folder: Path) -> tuple["subprocess.Popen[str]", Running]:
    """`up` in a terminal of its own, without pools, once it is ready."""
    config = cluster_file(folder, **NO_POOLS)
    env = os.environ | {"BIFOCAL_STATE": str(folder / "state")}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "up", "--config", str(config)],
        env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    state = StateFolder(folder / "state")
    until(lambda: (found := state.load()) and found.progress == "ready", what="ready", limit_s=120)
    found = state.load()
    assert found is not None
    return process, found


def left(running: Running) -> list[Any]:
    leaders = (running.supervisor, running.head, running.gateway)
    return [process for leader in leaders if leader for process in session(leader)]


def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    process, running = started(folder)
    assert len(left(running)) > 5
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert left(running) == []
    assert not Path(running.temp_dir).parent.exists()
    assert bifocal(folder / "state", "status").returncode == 4


def test_down_cleans_up_after_a_supervisor_that_was_killed(folder: Path) -> None:
    process, running = started(folder)
    process.kill()
    process.communicate(timeout=10)
    told = bifocal(folder / "state", "down")
    assert told.returncode == 0
    assert left(running) == []
    assert not Path(running.temp_dir).parent.exists()
