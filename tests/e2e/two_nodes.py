"""A Ray cluster of two nodes, and one pool on both behind a gateway of this machine's.

Ray is started as an operator would start it, the pool is what `serving.pools` makes of a cluster
file, and the gateway is told where Ray's dashboard is. A node has room for one rank, so that a
replica of two stands on both.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import openai
import psutil
import yaml

from deploy.config import load
from deploy.local import head
from deploy.local.gateway import answers
from deploy.local.pools import BUILDER, pools_of
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.rest import APPLICATIONS
from ops.chaos.faults import NODE_KILLED
from ops.chaos.tally import Row, row
from ops.chaos.trial import Place, run
from serving.pools.serve_config import Proxy, serve_config
from tests.e2e.conftest import until
from tests.e2e.identity import MAX_TOKENS
from tests.e2e.nodes import RANKS, Node, Switch

POOL: Final = "pocket-moe"
GCS: Final = 6379
DASHBOARD: Final = 8265
PROXY: Final = Proxy("0.0.0.0", 8000)
"""Replicas listen where their gateway reaches them."""
RAY_S: Final = 120
READY_S: Final = 400
RAY_ARGUMENTS: Final = (
    "start", "--block", "--disable-usage-stats", "--num-cpus=3", "--num-gpus=1",
    "--include-log-monitor=false", f"--object-store-memory={head.OBJECT_STORE_BYTES}",
)  # fmt: skip
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
    """Ray on both; the first is the head."""

    folder: Path
    switch: Switch
    nodes: tuple[Node, Node]
    pool_token: str = field(default_factory=secrets.token_urlsafe)
    ray_token: str = field(default_factory=secrets.token_urlsafe)
    raylets: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    """Each ends with its node."""

    @property
    def config(self) -> Path:
        return self.folder / "bifocal.yaml"

    @property
    def disk(self) -> Path:
        """Each node has its own at this path."""
        return self.folder / "disk"

    @property
    def ray_url(self) -> str:
        return f"http://{self.nodes[0].address}:{DASHBOARD}"

    @property
    def ray_address(self) -> str:
        return f"{self.nodes[0].address}:{GCS}"

    @property
    def environment(self) -> dict[str, str]:
        """Of every node, as of our own head, but that there are more nodes than one."""
        token_file = self.folder / "ray-token"
        token_file.write_text(self.ray_token)
        ours = head.environment(
            os.environ, pool_token=self.pool_token, ray_token_file=token_file
        ) | {"TMPDIR": str(self.disk)}
        return {key: text for key, text in ours.items() if not key.startswith("RAY_ENABLE_WINDOWS")}

    def start_ray(self, node: Node) -> None:
        """Returns when the cluster knows the node."""
        is_head = node is self.nodes[0]
        place = (
            ["--head", f"--port={GCS}", f"--dashboard-host={node.address}"]
            if is_head
            else [f"--address={self.ray_address}"]
        )
        here = (f"--node-ip-address={node.address}", f"--temp-dir={self.disk}")
        ray = (sys.executable, "-m", "ray.scripts.scripts", *RAY_ARGUMENTS, *place, *here)
        with (self.folder / f"{node.name}.log").open("ab") as log:
            self.raylets.append(
                subprocess.Popen(node.command(*ray), env=self.environment, stdout=log, stderr=log)
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
            self.nodes[0].command(sys.executable, "-m", "deploy.cli", *arguments),
            env=self.environment | {"BIFOCAL_STATE": str(self.folder / "state")},
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def examined(self, *arguments: str) -> Examined:
        """By `bifocal doctor`."""
        where = ("--config", str(self.config), "--ray-address", self.ray_address)
        told = self.bifocal("doctor", "--json", *where, *arguments)
        assert told.returncode in (0, 1), told.stdout + told.stderr
        return Examined(told.returncode, **json.loads(told.stdout))

    @contextmanager
    def cut_off(self, node: Node) -> Iterator[None]:
        """From the network of the ranks; Ray's own stays whole."""
        self.switch.cable(node, RANKS, plugged=False)
        try:
            yield
        finally:
            self.switch.cable(node, RANKS, plugged=True)


@dataclass(frozen=True)
class Served:
    """The pool, and the gateway before it."""

    on: TwoNodes
    url: str

    async def answers(self, prompts: Sequence[str]) -> list[str]:
        """Greedy, all at once."""
        async with openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none") as client:

            async def answer(prompt: str) -> str:
                found = await client.completions.create(
                    model=POOL, prompt=prompt, temperature=0, max_tokens=MAX_TOKENS
                )
                return found.choices[0].text

            return list(await asyncio.gather(*map(answer, prompts)))

    def ranks(self) -> list[list[psutil.Process]]:
        """Of each node: vLLM's workers, as vLLM or Ray names their processes."""
        return [node.processes("VLLM::Worker", "ray::RayWorkerProc") for node in self.on.nodes]

    def lose(self, node: Node) -> Row:
        """Under load, until the node is on again and its pool well."""
        place = Place(self.url, {}, POOL, (), 1, find=lambda _: psutil.Process(node.space.pid))
        with ThreadPoolExecutor(1) as thread:
            trial = thread.submit(asyncio.run, run(place, NODE_KILLED, 2, READY_S))
            until(lambda: not node.is_on, what="the signal")
            node.kill()
            node.power_on()
            self.on.start_ray(node)
            return row(trial.result(), POOL, replicas=1)

    def targets(self) -> list[str]:
        """Where Ray says that replicas are."""
        groups = self.on.ask(APPLICATIONS)["target_groups"]
        return [
            f"{target['ip']}:{target['port']}"
            for group in groups
            if group["app_name"] == POOL
            for target in group["targets"]
        ]

    def is_ready(self) -> bool:
        """As the gateway has it. Raises AssertionError for a pool that has failed."""
        try:
            found = self.on.ask(APPLICATIONS)["applications"].get(POOL, {})
        except OSError:
            return False
        assert found.get("status") != "DEPLOY_FAILED", found["message"]
        at = urlsplit(self.url)
        return answers(at.hostname or "", at.port or 0, "/ready")


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    # Ray's sockets lie below it, and their paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="bf-"))
    (folder / "disk").mkdir()
    (folder / "bifocal.yaml").write_text(yaml.safe_dump(FILE))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        switch = Switch()
        stack.callback(switch.space.end)
        found = TwoNodes(
            folder, switch, (Node(switch, 1, folder / "disk"), Node(switch, 2, folder / "disk"))
        )
        try:
            for node in found.nodes:
                found.start_ray(node)
            yield found
        finally:
            for node in found.nodes:
                node.end()
            for raylet in found.raylets:
                raylet.wait(timeout=30)


@contextmanager
def served(on: TwoNodes) -> Iterator[Served]:
    """As `bifocal up` would have it served, had it started this Ray."""
    cluster = load(on.config)
    text = serve_config(
        pools_of(cluster),
        proxy=PROXY,
        longest_answer_s=cluster.longest_answer,
        cache=os.path.expanduser("~/.cache/bifocal"),
        start_attempts=1,
        builder=BUILDER,
    )
    until(lambda: on.deploy(text), what="Ray takes the pool")
    (port,) = free_ports(1)
    secret = {"BIFOCAL_RAY_TOKEN": on.ray_token, "BIFOCAL_POOL_TOKEN": on.pool_token}
    command = [sys.executable, "-m", "deploy.cli", "gateway", "--config", str(on.config)]
    with (on.folder / "gateway.log").open("wb") as log:
        gateway = subprocess.Popen(
            [*command, "--ray-url", on.ray_url, "--port", str(port)],
            env=os.environ | secret, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        found = Served(on, f"http://{LOOPBACK}:{port}")
        until(found.is_ready, what="the pool", limit_s=READY_S)
        yield found
    finally:
        gateway.kill()
        gateway.wait(timeout=30)
