"""What the bench is handed of ours: the gateway, the whole cluster, and the engine's arguments.

All are started by the real commands, with keys, so that what is measured is what runs. The bench
itself (`ops.bench`) knows none of them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.config import Cluster
from deploy.failure import Exit
from deploy.keys import line_of
from deploy.local.pools import pools_of
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.rest import RayRest
from deploy.local.state import Running, StateFolder
from ops.bench.contenders import Cluster as Standing
from ops.bench.contenders import Engine, Front, Product
from ops.bench.processes import NotReady
from ops.bench.start import Subject as Start
from serving.gateway.targets import parse_applications
from serving.keys import new_key
from serving.pools.engine import arguments, environment
from serving.pools.serve_config import Proxy, serve_config
from serving.values import ModelName

COMMAND: Final = (sys.executable, "-m", "deploy.cli")
TEAM: Final = "bench"
CORES: Final = 2
"""What the replica's CPUs are counted against; every contender has one replica."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that all engines of a run serve: a pocket model, or any weights like it."""

    model: ModelName
    source: str | None = None

    def cluster(self, gateway: Mapping[str, Any], **pool: Any) -> dict[str, Any]:
        """A cluster file of one pool."""
        source = {} if self.source is None else {"source": self.source}
        return {
            "gpus": {"cpu": {"kind": "cpu", "perNode": CORES}},
            "models": {self.model: {"on": "cpu", **source, **pool}},
            "gateway": dict(gateway),
        }

    def product(self, cache: str) -> Product:
        """`cache` keeps what engines compile, between runs."""
        (pool,) = pools_of(Cluster.model_validate(self.cluster({})))
        engine = {k: v for k, v in arguments(pool).items() if k not in ("middleware", "model")}
        return Product(
            engine=Engine(self.model, pool.source, engine, environment(pool, cache)),
            gateway_before=self._gateway_before,
            cluster=self._standing,
        )

    def start(self, cache: str) -> Start:
        """The same engine, and the pool with it as Serve is handed it."""
        cluster = Cluster.model_validate(self.cluster({}))
        config = serve_config(
            pools_of(cluster),
            proxy=Proxy(LOOPBACK, 0),
            longest_answer_s=cluster.longest_answer,
            cache=cache,
        )
        return Start(self.product(cache).engine, config["applications"][0]["args"])

    def _gateway_before(self, upstream: str, folder: Path) -> Front:
        """The gateway's own process, with a fixed address for its pool."""
        gateway, headers = gateway_with_key(folder)
        file = write(folder / "mock.yaml", self.cluster(gateway, targets=[upstream]))
        return Front(
            command=(*COMMAND, "gateway", "--config", str(file)),
            url=f"http://{LOOPBACK}:{gateway['port']}",
            headers=headers,
        )

    @contextmanager
    def _standing(self, folder: Path) -> Iterator[Standing]:
        with service(folder, self.cluster) as (state, _, headers):
            yield _standing_at(state, self.model, headers)


@contextmanager
def service(
    folder: Path, cluster: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> Iterator[tuple[StateFolder, str, dict[str, str]]]:
    """`bifocal up --detach`, in a state folder of its own, and `bifocal down`. `cluster` makes the
    cluster file around a gateway; given are the state, the gateway's URL and a key's headers."""
    gateway, headers = gateway_with_key(folder)
    file = write(folder / "cluster.yaml", cluster(gateway))
    env = {**os.environ, "BIFOCAL_STATE": str(folder / "state")}
    try:
        call(env, "up", "--detach", "--config", str(file))
        yield StateFolder(folder / "state"), f"http://{LOOPBACK}:{gateway['port']}", headers
    finally:
        call(env, "down", fine=(Exit.OK, Exit.NOT_RUNNING))


def gateway_with_key(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Its section of the cluster file, on a free port, with one key; and the header with it."""
    key = new_key(TEAM, None, time.time())
    keys = folder / "keys.yaml"
    keys.write_text(line_of(key.record) + "\n")
    (port,) = free_ports(1)
    return {"port": port, "keys": str(keys)}, {"authorization": f"Bearer {key.secret}"}


def write(file: Path, content: Mapping[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(dict(content)))
    return file


def call(env: Mapping[str, str], *verb: str, fine: Container[int] = (0,)) -> None:
    found = subprocess.run(  # noqa: S603  # our own command
        [*COMMAND, *verb], env=dict(env), capture_output=True, text=True, check=False
    )
    if found.returncode not in fine:
        what = f"bifocal {' '.join(verb)} ended with {found.returncode}"
        raise NotReady(f"{what}:\n{found.stdout[-2000:]}{found.stderr[-2000:]}")


def _standing_at(state: StateFolder, model: ModelName, headers: Mapping[str, str]) -> Standing:
    running = state.load()
    if running is None:
        raise NotReady("bifocal is up and says nowhere where")
    token = state.pool_token_file.read_text()
    return Standing(
        gateway_url=running.url,
        gateway_headers=headers,
        replica_url=_replica(running, state, model),
        replica_headers={"authorization": f"Bearer {token}"},
        pids=tuple(
            each.pid for each in (running.supervisor, running.head, running.gateway) if each
        ),
    )


def _replica(running: Running, state: StateFolder, model: ModelName) -> str:
    rest = RayRest(running.ports.dashboard, state.ray_token_file.read_text())
    targets = parse_applications(json.dumps(rest.applications()).encode()).get(model)
    if targets is None or not targets.targets:
        raise NotReady(f"Ray knows no replica of {model}")
    return targets.targets[0].url
