"""CPU seconds by role, and processes that end with their children."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.bench.processes import (
    NotReady,
    cpu_between,
    cpu_clocks,
    free_port,
    role_of,
    running,
    wait_until_ready,
)


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("python -m uvicorn ops.bench.mock:application --port=1", "mock"),
        ("python -m uvicorn ops.bench.passthrough:application", "pass-through"),
        ("prometheus --config.file=/tmp/x/prometheus.yml", "prometheus"),
        ("VLLM::EngineCore", "engine"),
        ("python -c main(3, 4, ['serving.pools.preloaded'], sys_path=['/venv/ray/x'])", "engine"),
        ("python -m vllm.entrypoints.openai.api_server --model=x", "server"),
        ("ray::ServeReplica:pocket-dense:engine", "replica"),
        ("ray::ServeReplica:default:LLMServer:pocket-dense", "replica"),
        ("ray::ServeReplica:default-ingress:OpenAiIngress", "ingress"),
        ("ray::ProxyActor", "serve proxy"),
        ("ray::ServeController.listen_for_change", "serve controller"),
        ("/venv/lib/python3.11/site-packages/ray/core/src/ray/gcs/gcs_server", "ray"),
        ("python -m deploy.cli gateway --config f.yaml", "gateway"),
        ("sleep 1", "other"),
    ],
)
def test_a_process_is_known_by_its_title(title: str, role: str) -> None:
    assert role_of(title) == role


def test_cpu_is_summed_by_role_and_a_newcomer_counts_whole() -> None:
    before = {(1, "engine"): 10.0, (2, "ray"): 1.0}
    after = {(1, "engine"): 12.0, (3, "engine"): 0.5, (2, "ray"): 1.0}
    assert cpu_between(before, after) == {"engine": 2.5, "ray": 0.0}


def is_alive(pid: int) -> bool:
    """A zombie whose new parent is slow to look after it is none."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.process
def test_a_busy_child_is_counted_and_ends_with_its_parent(tmp_path: Path) -> None:
    spin = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with running([sys.executable, "-c", spin], tmp_path / "log") as process:
        deadline = time.monotonic() + 10
        while sum(cpu_clocks([process.pid]).values()) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        clocks = cpu_clocks([process.pid])
        pids = [pid for pid, _ in clocks]
        assert len(pids) == 2
        assert sum(clocks.values()) >= 0.3
    assert not [pid for pid in pids if is_alive(pid)]


def test_one_that_dies_before_it_is_ready_shows_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with running(command, log) as process, pytest.raises(NotReady, match="no such model"):
        wait_until_ready(f"http://127.0.0.1:{free_port()}/health", process, log, 20)


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(["sleep", "30"], log) as process, pytest.raises(NotReady, match="did not answer"):
        wait_until_ready(f"http://127.0.0.1:{free_port()}/health", process, log, 0.2)
