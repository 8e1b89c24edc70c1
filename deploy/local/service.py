"""What runs on this machine for one cluster file: a Ray head with the pools, and the gateway.

It starts, tells how things are, heals what Ray does not, and ends; when to do which is the
supervisor's.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from deploy.cache import cache_folder
from deploy.config import Cluster
from deploy.local import head, preflight
from deploy.local.applications import text_of
from deploy.local.gateway import Gateway, answers, command, offered
from deploy.local.listeners import Listener, listeners
from deploy.local.phases import Phase, PoolStatus, statuses
from deploy.local.pools import pools_of
from deploy.local.ports import LOOPBACK, free_ports, url_of
from deploy.local.processes import ProcessId, session
from deploy.local.ray_head import RayHead, said
from deploy.local.rest import RayAway
from deploy.local.state import Progress, Running, StateFolder
from serving.pools.engine import Pool

EVERYWHERE: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104  # read, not bound
LOG_LINES_SHOWN: Final = 15


class LocalService:
    """Makes the state folder's secrets anew; starts nothing yet."""

    def __init__(self, cluster: Cluster, state: StateFolder, env: Mapping[str, str]) -> None:
        self.cluster = _with_port(cluster)
        self.pools = pools_of(self.cluster)
        self._state = state
        self._cache = cache_folder(env)
        self._answer: Mapping[str, Any] = {}
        pool_token = state.new_secret(state.pool_token_file)
        ray_token = state.new_secret(state.ray_token_file)
        self._cpus = _ray_cpus(self.pools)
        self._handovers = 0
        self._handover_failed: str | None = None
        self.ray = RayHead(head.Ports.choose(), ray_token=ray_token)
        self._ray_env = head.environment(
            env, pool_token=pool_token, ray_token_file=state.ray_token_file
        )
        gateway_env = {
            **env,
            "BIFOCAL_RAY_URL": self.ray.rest.url,
            "BIFOCAL_RAY_TOKEN": ray_token,
            "BIFOCAL_POOL_TOKEN": pool_token,
        }
        started = command(state.cluster_file, state.orders_file)
        self.gateway = Gateway(started, gateway_env, state.gateway_log)

    @property
    def url(self) -> str:
        spec = self.cluster.gateway
        return url_of(EVERYWHERE.get(spec.host, spec.host), spec.port)

    def check(self) -> None:
        """Raises preflight.NotReady."""
        preflight.check(self.pools, self.cluster)

    def start(self, now: float) -> None:
        """Raises preflight.NotReady where somebody took the port since `check`."""
        spec = self.cluster.gateway
        try:
            self.gateway.listen(spec.host, spec.port)
        except OSError as error:
            msg = f"port {spec.port} on {spec.host} cannot be listened at: {error}"
            raise preflight.NotReady(msg) from None
        self._state.write(self._state.cluster_file, as_file(self.cluster))
        self.ray.start(self._ray_env, cpus=self._cpus)
        self.gateway.start(now)

    def restart_ray(self) -> None:
        self.ray.end()
        self.ray.start(self._ray_env, cpus=self._cpus)

    def deploy(self) -> bool:
        """Whether Ray is there and has taken the pools."""
        text = text_of(
            self.pools,
            proxy_port=self.ray.ports.proxy,
            longest_answer_s=self.cluster.longest_answer,
            cache=str(self._cache),
        )
        try:
            self.ray.rest.deploy(text)
        except RayAway:
            return False
        return True

    def statuses(self) -> list[PoolStatus]:
        """A head that is late to answer changes nothing: what it said last is kept."""
        with contextlib.suppress(RayAway):
            self._answer = self.ray.rest.applications()
        names = [pool.name for pool in self.pools]
        return statuses(names, self._answer, partial(said, self.ray.logs))

    def failure(self, pools: list[PoolStatus]) -> str | None:
        """Why it cannot become ready, if so: as no pool can. A gateway that ends while everything
        starts has found something that will not mend itself."""
        if self.ray.exit_code is not None:
            return f"Ray ended:\n{_end_of(self.ray.log)}"
        if self.gateway.exit_code is not None:
            return f"the gateway ended:\n{_end_of(self._state.gateway_log)}"
        if not pools or not all(each.trouble for each in pools):
            return None
        return "\n".join(f"{each.name} {each.phase}:\n{each.trouble}" for each in pools)

    def hand_over(self, now: float, is_over: Callable[[], bool]) -> str | None:
        """Another gateway, of the cluster file that is being applied, takes over; why not, if so.
        From then on that file is the one that is served. When it `is_over`, nobody waits."""
        self._handovers += 1
        following = command(self._state.applying_file, self._state.orders_file)
        self._handover_failed = self.gateway.hand_over(following, now, is_over)
        if self._handover_failed is None:
            self._state.write(self._state.cluster_file, self._state.applying_file.read_text())
        return self._handover_failed

    def is_offered(self, pools: Iterable[PoolStatus]) -> bool:
        """Whether the gateway answers and knows of each pool that is ready. One that sleeps has no
        replica to be known of."""
        spec = self.cluster.gateway
        host = EVERYWHERE.get(spec.host, spec.host)
        awake = {each.name for each in pools if each.phase is Phase.READY and each.ready}
        return awake <= offered(host, spec.port) if awake else answers(host, spec.port)

    def wide_listeners(self) -> Iterator[Listener]:
        """Those that others than this machine can reach."""
        leaders = [each for each in (self.ray.id, self.gateway.id) if each is not None]
        processes = [process for leader in leaders for process in session(leader)]
        return (each for each in listeners(processes) if each.is_wide)

    def end(self) -> None:
        self.gateway.end()
        self.ray.end()

    def as_running(self, progress: Progress, why: str | None = None) -> Running:
        return Running(
            supervisor=ProcessId(os.getpid(), psutil.Process().create_time()),
            progress=progress,
            url=self.url,
            ray_url=self.ray.rest.url,
            ports=self.ray.ports,
            temp_dir=str(self.ray.temp_dir),
            head=self.ray.id,
            gateway=self.gateway.id,
            why=why,
            leaving=self.gateway.leaving,
            handovers=self._handovers,
            handover_failed=self._handover_failed,
            cpus=self._cpus,
            cache=str(self._cache),
        )


def as_file(cluster: Cluster) -> str:
    """As a cluster file has it, but without what it leaves out."""
    return yaml.safe_dump(cluster.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _with_port(cluster: Cluster) -> Cluster:
    """Port 0 becomes a free one, so that it can be told before the gateway is up."""
    if cluster.gateway.port:
        return cluster
    gateway = cluster.gateway.model_copy(update={"port": free_ports(1)[0]})
    return cluster.model_copy(update={"gateway": gateway})


def _ray_cpus(pools: list[Pool]) -> int:
    """Ray's CPUs are only a count, of which each engine on the CPU takes one per worker; on a
    laptop they are what is needed, not what is there. One is for building applications."""
    engines = sum(pool.spec.bounds.max * pool.layout.ranks for pool in pools if pool.hardware.cpu)
    return max(os.cpu_count() or 1, engines + 1)


def _end_of(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return f"(there is no {log})"
    return "\n".join(lines[-LOG_LINES_SHOWN:])
