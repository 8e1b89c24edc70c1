"""What the chaos is handed of ours: a service of two pools, and its processes by role.

It is started by the real commands, with keys. What is done to it (`ops.chaos`) knows none of them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from deploy.bench import service
from deploy.local.processes import session
from deploy.local.rest import RayAway, RayRest
from deploy.local.state import Running, StateFolder
from ops.bench.processes import NotReady
from ops.chaos.faults import Role
from ops.chaos.trial import Place
from serving.values import ModelName

VICTIM: Final = ModelName("pocket-dense")
BYSTANDER: Final = ModelName("pocket-moe")
_HEAD: Final = "gcs_server"
_FORKED: Final = "multiprocessing.forkserver"


@dataclass(frozen=True, slots=True)
class Subject:
    """The service that is hurt."""

    stuck_after_s: float
    replicas: int = 1

    @contextmanager
    def standing(self, folder: Path) -> Iterator[Place]:
        with service(folder, self.cluster) as (state, url, headers):
            yield Place(
                url=url,
                headers=headers,
                victim=VICTIM,
                others=(BYSTANDER,),
                replicas=self.replicas,
                find=Finder(state).find,
            )

    def cluster(self, gateway: dict[str, Any]) -> dict[str, Any]:
        pool = {"on": "cpu", "stuckAfter": f"{self.stuck_after_s:g}s"}
        return {
            "gpus": {"cpu": {"kind": "cpu", "perNode": 4}},
            "models": {VICTIM: {**pool, "replicas": self.replicas}, BYSTANDER: pool},
            "gateway": gateway,
        }


class Finder:
    """Finds processes anew each time: those that died have others in their place."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state

    def find(self, role: Role) -> psutil.Process | None:
        running = self._state.load()
        if running is None:
            raise NotReady("the service has ended")
        if role is Role.GATEWAY:
            return psutil.Process(running.gateway.pid) if running.gateway else None
        if role is Role.HEAD:
            family = session(running.head) if running.head else []
            return next((process for process in family if _is(process, _HEAD)), None)
        replica = self._replica(running)
        if replica is None or role is Role.REPLICA:
            return replica
        family = engine(replica)
        place = 0 if role is Role.CORE else 1
        return family[place] if len(family) > place else None

    def _replica(self, running: Running) -> psutil.Process | None:
        """The first that Ray says is up."""
        rest = RayRest(running.ports.dashboard, self._state.ray_token_file.read_text())
        try:
            app = rest.applications()["applications"][VICTIM]
        except (RayAway, KeyError, json.JSONDecodeError):
            return None
        for deployment in app["deployments"].values():
            for replica in deployment["replicas"]:
                if replica["state"] == "RUNNING" and replica.get("pid"):
                    return psutil.Process(replica["pid"])
        return None


def engine(replica: psutil.Process) -> list[psutil.Process]:
    """Its core, and then the workers that the core has started. Those that a fork server made bear
    its command line, for which they are told from others by being its children."""
    family = replica.children(recursive=True)
    named = [process for process in family if _is(process, "VLLM::")]
    forked = [
        process
        for process in family
        if _is(process, _FORKED) and (parent := process.parent()) and _is(parent, _FORKED)
    ]
    return sorted(named or forked, key=lambda process: (process.create_time(), process.pid))


def _is(process: psutil.Process, title: str) -> bool:
    try:
        return title in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
