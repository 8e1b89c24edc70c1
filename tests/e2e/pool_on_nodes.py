"""One pool whose replica stands on both nodes, behind a gateway of this machine's, and what becomes
of it when one of the nodes, or the head, is lost.

The pool is what `serving.pools` makes of a cluster file, and the gateway is told where Ray's
dashboard is.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import openai
import psutil
from anyio.from_thread import start_blocking_portal

from deploy.config import load
from deploy.local.gateway import answers
from deploy.local.pools import BUILDER, pools_of
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.rest import APPLICATIONS
from ops.chaos.faults import Fault, Role
from ops.chaos.tally import Row, row
from ops.chaos.trial import Place, run
from serving.pools.serve_config import Proxy, serve_config
from tests.e2e.conftest import until
from tests.e2e.identity import MAX_TOKENS
from tests.e2e.nodes import Node
from tests.e2e.two_nodes import POOL, TwoNodes

PROXY: Final = Proxy("0.0.0.0", 8000)
"""Replicas listen where their gateway reaches them."""
READY_S: Final = 300
CLIENTS: Final = 2
OFF_S: Final = 40.0
"""A node that is lost stays so for longer than it may take to be missed: one that is on again at
once refuses what was on its way to it, and so tells everybody."""
HEAD_OFF_S: Final = 20.0
WITH_HEAD_S: Final = 70.0
"""Of load after the head is on again, half of which Ray takes to start."""


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

    def replicas(self) -> list[psutil.Process]:
        return [
            each for node in self.on.nodes for each in node.processes(f"ray::ServeReplica:{POOL}")
        ]

    def node(self, role: Role) -> Node:
        """Found anew each time: a replica that was started again may stand elsewhere."""
        if role is Role.HEAD_NODE:
            return self.on.head
        (target,) = self.targets()
        front = target.split(":")[0]
        return next(
            node for node in self.on.nodes if (node.address == front) is (role is Role.FRONT_NODE)
        )

    def lose(self, fault: Fault) -> Row:
        """A node under load, until it is on again and the pool well. The load is another thread's:
        a node ends with the thread that switched it on. It is called off when that fails."""
        node = self.node(fault.role)
        is_head = fault.role is Role.HEAD_NODE
        off_s = HEAD_OFF_S if is_head else OFF_S
        at_least_s = off_s + WITH_HEAD_S if is_head else None
        place = self._place(psutil.Process(node.space.pid), before=lambda: self.on.unplug(node))
        with start_blocking_portal() as portal:
            trial = portal.start_task_soon(
                partial(run, place, fault, CLIENTS, READY_S, at_least_s=at_least_s)
            )
            self._off_and_on(node, off_s)
            return row(trial.result(), POOL, replicas=1)

    def _off_and_on(self, node: Node, off_s: float) -> None:
        until(lambda: not node.is_on, what="the signal")
        node.kill()
        time.sleep(off_s)
        node.power_on()
        self.on.start_ray(node)

    def hit_replica(self, fault: Fault) -> Row:
        (replica,) = self.replicas()
        trial = run(self._place(replica), fault, CLIENTS, READY_S)
        return row(asyncio.run(trial), POOL, replicas=1)

    def _place(self, process: psutil.Process, before: Callable[[], object] = lambda: None) -> Place:
        def find(_: Role) -> psutil.Process:
            before()
            return process

        return Place(self.url, {}, POOL, (), 1, find)

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
def served(on: TwoNodes) -> Iterator[Served]:
    """As `bifocal up` would have it served, had it started this Ray."""
    cluster = load(on.config)
    text = serve_config(
        pools_of(cluster),
        proxy=PROXY,
        longest_answer_s=cluster.longest_answer,
        cache=os.path.expanduser("~/.cache/bifocal"),
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
