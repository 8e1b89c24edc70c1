"""A Ray cluster as the chart makes it: a head without ranks, and two nodes.

Ray is started as an operator would start it, with the head's state on a disk that outlives the
head. A node has room for one rank, so that a replica of two stands on both.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import yaml

from deploy.local import head
from deploy.local.rest import APPLICATIONS
from tests.e2e.conftest import until
from tests.e2e.nodes import RANKS, RAY, Node, Switch

POOL: Final = "pocket-moe"
GCS: Final = 6379
DASHBOARD: Final = 8265
RAY_S: Final = 120
RAY_ARGUMENTS: Final = (
    "start", "--block", "--disable-usage-stats", "--include-log-monitor=false",
    f"--object-store-memory={head.OBJECT_STORE_BYTES}",
)  # fmt: skip
OF_A_HEAD: Final = ("--num-cpus=0", "--num-gpus=0")
OF_A_NODE: Final = ("--num-cpus=3", "--num-gpus=1")
PATIENCE: Final = {
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}
"""Of the head with a node that does not answer, as the chart has it: it is lost within 24 s. By
Ray's own it is within 65."""
RECONNECT: Final = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
"""How long nodes do without a head, as KubeRay has it where the head's state is on a disk."""
FILE: Final = {
    "gpus": {
        "nodes": {"kind": "cpu", "perNode": 1, "nodes": 2, "network": {"interface": RANKS}},
    },
    "models": {POOL: {"on": "nodes", "precision": "fp32", "layout": {"pipeline": 2}}},
    "gateway": {"port": 0},
}


@dataclass(frozen=True)
class Examined:
    """What `bifocal doctor` says."""

    code: int
    ok: bool
    findings: list[dict[str, Any]]
    all_reduce: list[dict[str, Any]]

    def of(self, verdict: str) -> list[dict[str, Any]]:
        return [each for each in self.findings if each["verdict"] == verdict]


@dataclass(frozen=True)
class TwoNodes:
    folder: Path
    switch: Switch
    head: Node
    nodes: tuple[Node, Node]
    pool_token: str = field(default_factory=secrets.token_urlsafe)
    ray_token: str = field(default_factory=secrets.token_urlsafe)
    raylets: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    """Each ends with its node."""

    @property
    def all_nodes(self) -> tuple[Node, ...]:
        return self.head, *self.nodes

    @property
    def config(self) -> Path:
        return self.folder / "bifocal.yaml"

    @property
    def disk(self) -> Path:
        """Each node has its own at this path."""
        return self.folder / "disk"

    @property
    def ray_url(self) -> str:
        return f"http://{self.head.address}:{DASHBOARD}"

    @property
    def ray_address(self) -> str:
        return f"{self.head.address}:{GCS}"

    @property
    def environment(self) -> dict[str, str]:
        """Of every node, as of our own head, but that there are more nodes than one."""
        token_file = self.folder / "ray-token"
        token_file.write_text(self.ray_token)
        ours = head.environment(os.environ, pool_token=self.pool_token, ray_token_file=token_file)
        ours |= {"TMPDIR": str(self.disk), **PATIENCE, **RECONNECT}
        return {key: text for key, text in ours.items() if not key.startswith("RAY_ENABLE_WINDOWS")}

    @property
    def state(self) -> dict[str, str]:
        """Of the head, on a disk of this machine's."""
        return {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(self.folder / "gcs")}

    def start_ray(self, node: Node) -> None:
        """Returns when the cluster knows the node."""
        is_head = node is self.head
        place = (
            [*OF_A_HEAD, "--head", f"--port={GCS}", f"--dashboard-host={node.address}"]
            if is_head
            else [*OF_A_NODE, f"--address={self.ray_address}"]
        )
        env = self.environment | (self.state if is_head else {})
        here = (f"--node-ip-address={node.address}", f"--temp-dir={self.disk}")
        ray = (sys.executable, "-m", "ray.scripts.scripts", *RAY_ARGUMENTS, *place, *here)
        with (self.folder / f"{node.name}.log").open("ab") as log:
            self.raylets.append(
                subprocess.Popen(node.command(*ray), env=env, stdout=log, stderr=log)
            )
        until(lambda: node.name in self.names(), what=f"{node.name} in Ray", limit_s=RAY_S)

    def names(self) -> list[str]:
        """Of the nodes that Ray has."""
        try:
            names: list[str] = self.ask("/nodes?view=hostNameList")["data"]["hostNameList"]
        except OSError:
            return []
        return names

    def deploy(self, pools: Any) -> bool:
        """Whether Ray has taken them; its head may be up and its agent not yet."""
        try:
            self.ask(APPLICATIONS, pools)
        except OSError:
            return False
        return True

    def ask(self, path: str, body: Any = None) -> Any:
        """Ray's REST API."""
        headers = {"authorization": f"Bearer {self.ray_token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(
            self.ray_url + path, data, headers, method="GET" if data is None else "PUT"
        )
        with urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def bifocal(
        self, *arguments: str, timeout_s: float = 240
    ) -> "subprocess.CompletedProcess[str]":
        """The command, on the head."""
        return subprocess.run(
            self.head.command(sys.executable, "-m", "deploy.cli", *arguments),
            env=self.environment | {"BIFOCAL_STATE": str(self.folder / "state")},
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def examined(self, *arguments: str) -> Examined:
        """By `bifocal doctor`."""
        where = ("--config", str(self.config), "--ray-address", self.ray_address)
        told = self.bifocal("doctor", "--json", *where, *arguments)
        assert told.returncode in (0, 1), told.stdout + told.stderr
        return Examined(told.returncode, **json.loads(told.stdout))

    def unplug(self, node: Node) -> None:
        """So that what dies on it says no word of that to others, as the system would for it."""
        for nic in (RAY, RANKS):
            self.switch.cable(node, nic, plugged=False)

    @contextmanager
    def cut_off(self, node: Node) -> Iterator[None]:
        """From the network of the ranks; Ray's own stays whole."""
        self.switch.cable(node, RANKS, plugged=False)
        try:
            yield
        finally:
            self.switch.cable(node, RANKS, plugged=True)


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    # Ray's sockets lie below it, and their paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="bf-"))
    for name in ("disk", "gcs"):
        (folder / name).mkdir()
    (folder / "bifocal.yaml").write_text(yaml.safe_dump(FILE))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        switch = Switch()
        stack.callback(switch.space.end)
        disk = folder / "disk"
        found = TwoNodes(
            folder,
            switch,
            Node(switch, 3, disk, "head"),
            (Node(switch, 1, disk), Node(switch, 2, disk)),
        )
        try:
            for node in found.all_nodes:
                found.start_ray(node)
            yield found
        finally:
            for node in found.all_nodes:
                node.end()
            for raylet in found.raylets:
                raylet.wait(timeout=30)
