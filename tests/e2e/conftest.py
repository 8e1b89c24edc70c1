"""The one cluster that all end-to-end tests share, started and ended by the real command.

`BIFOCAL_TEST_MODELS` names a folder with other pocket models, as training writes them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from deploy.local.ports import free_ports
from deploy.local.processes import runs, session
from deploy.local.state import Running, StateFolder

POOLS = ("pocket-dense", "pocket-moe")
START_S = 570
STOP_S = 120


@dataclass(frozen=True)
class Service:
    """A running service and what only its owner knows of it."""

    state: Path
    config: Path
    ready_at: float = 0.0
    """Seconds since the epoch; whatever began later stands in for what a test has killed."""

    @property
    def running(self) -> Running:
        """Read anew each time: a gateway that was started again has another process."""
        found = StateFolder(self.state).load()
        assert found is not None, "the service is gone"
        return found

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def ray_url(self) -> str:
        return self.running.ray_url

    @property
    def pool_token(self) -> str:
        return (self.state / "pool-token").read_text()

    @property
    def ray_token(self) -> str:
        return (self.state / "ray-token").read_text()

    @property
    def log_dirs(self) -> tuple[Path, ...]:
        """Of supervisor and gateway, and of the whole Ray session."""
        ray = Path(self.running.temp_dir)
        return self.state / "logs", ray / "session_latest" / "logs"

    @property
    def processes(self) -> list[psutil.Process]:
        """Everything that `bifocal up` has started, and itself."""
        running = self.running
        leaders = (running.supervisor, running.head, running.gateway)
        return [process for leader in leaders if leader for process in session(leader)]

    def applications(self) -> dict[str, Any]:
        """What Ray's REST API says."""
        headers = {"authorization": f"Bearer {self.ray_token}"}
        request = Request(f"{self.ray_url}/api/serve/applications/", headers=headers)
        with urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def replicas(self, pool: str) -> list[str]:
        """URLs of the replicas' own ports."""
        return [
            f"http://{target['ip']}:{target['port']}/pools/{pool}"
            for group in self.applications()["target_groups"]
            if group["app_name"] == pool
            for target in group["targets"]
        ]

    def through_proxy(self, pool: str) -> str:
        """The same pool behind Serve's own proxy."""
        return f"http://127.0.0.1:{self.running.ports.proxy}/pools/{pool}"

    def command(self, *arguments: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        return bifocal(self.state, *arguments, timeout_s=timeout_s)


def bifocal(
    state: Path, *arguments: str, timeout_s: float = 60
) -> "subprocess.CompletedProcess[str]":
    """The command, as a person would run it, whatever cluster their shell points at."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("BIFOCAL_")}
    env = ours | {"BIFOCAL_STATE": str(state), "RAY_ADDRESS": "127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=env, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def until(holds: Callable[[], Any], *, what: str = "the condition", limit_s: float = 60) -> None:
    """Waits for what other processes do."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.05)


def cluster_file(folder: Path, **changes: Any) -> Path:
    cluster: dict[str, Any] = {
        "gpus": {"cpu": {"kind": "cpu", "perNode": 2}},
        "models": {name: _model(name) for name in POOLS},
        "gateway": {"port": 0},
    }
    (path := folder / "bifocal.yaml").write_text(yaml.safe_dump(cluster | changes))
    return path


def _model(name: str) -> Mapping[str, str]:
    models = os.environ.get("BIFOCAL_TEST_MODELS")
    return {"on": "cpu"} | ({"source": f"{models}/{name}"} if models else {})


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Two pools and a gateway on free ports. Traces are for a collector that hardly ever runs, and
    of so few requests that only ids made for it are among them."""
    (port,) = free_ports(1)
    tracing = {"endpoint": f"http://127.0.0.1:{port}", "sample": 1e-9}
    with running(partial(cluster_file, tracing=tracing)) as found:
        yield found


@contextmanager
def running(config: Callable[[Path], Path]) -> Iterator[Service]:
    """What `config` writes into the folder that it is given, from `up` to `down`."""
    # Ray's sockets lie below it, and their paths must be short: no tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="bf-"))
    found = Service(state=folder / "state", config=config(folder))
    try:
        up = found.command("up", "--config", str(found.config), "--detach", timeout_s=START_S)
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield replace(found, ready_at=time.time())
    finally:
        try:
            _end(found)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _end(service: Service) -> None:
    """Nothing of it may be left."""
    running = StateFolder(service.state).load()
    processes = service.processes if running else []
    down = service.command("down", timeout_s=STOP_S)
    left = [process for process in processes if runs(process)]
    for process in left:
        process.kill()
    assert not left, f"`down` left {left}: {down.stdout}{down.stderr}"
    assert running is None or not Path(running.temp_dir).parent.exists()
