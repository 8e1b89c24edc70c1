"""`bifocal doctor` for this machine, and for those of its Ray cluster."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.cli.inputs import cluster_of, file_here
from deploy.config import Cluster, ConfigError
from deploy.doctor import reduction
from deploy.doctor.examination import Here, of_cluster, of_here, of_no_cluster
from deploy.doctor.finding import Finding
from deploy.doctor.hub import of_hub
from deploy.doctor.job import Job, Report
from deploy.doctor.listening import of_listeners
from deploy.doctor.look import look
from deploy.doctor.machine import Needs, Port
from deploy.doctor.probe import NoAnswer, ask
from deploy.doctor.reduction import Asked, asked
from deploy.environment import environment
from deploy.failure import Exit, Failure
from deploy.local.head import entry
from deploy.local.listeners import listeners
from deploy.local.pools import pools_of
from deploy.local.ports import LOOPBACK, holder, is_taken
from deploy.local.preflight import needed_gib, wants_gpus
from deploy.local.processes import session
from deploy.local.state import Running, StateFolder, running_here
from deploy.source import Scheme, parse
from deploy.weights.settings import Settings
from serving.pools.engine import Pool
from serving.pools.weights import Wanted

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}")


def of_machines(
    config: Path | None, ray_address: str | None, limit: int
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """This one and those of its Ray cluster; and the all-reduces, one for each pool."""
    cluster = cluster_of(config or file_here())
    pools = pools_of(cluster)
    running = running_here(os.environ)
    address = _checked(ray_address) or _own_cluster(running)
    here = _here(cluster, pools, running, address, elsewhere=ray_address is not None)
    ranked = [asked(pool, limit) for pool in pools if pool.layout.ranks > 1]
    findings = [*of_here(here), *_beside(cluster, pools, running)]
    reductions: list[dict[str, Any]] = []
    if address is None:
        findings += of_no_cluster(ranked, None)
    else:
        ray_env = _environment(named=ray_address is not None)
        found, told = _examined(address, ranked, here, ray_env)
        findings += found
        reductions = [reduction.as_json(each) for each in told.reduced] if told else []
    return findings, reductions


def _beside(cluster: Cluster, pools: list[Pool], running: Running | None) -> Iterator[Finding]:
    """The hub, and who listens of what runs here."""
    hubs: dict[str, list[str]] = defaultdict(list)
    for pool in pools:
        if pool.weights is not None and not cluster.weights.offline:
            hubs[_hub(pool.weights)].append(pool.name)
    for address, models in hubs.items():
        if address:
            yield of_hub(address, tuple(models))
    if running is not None:
        leaders = (running.supervisor, running.head, running.gateway)
        processes = [each for leader in leaders if leader for each in session(leader)]
        yield of_listeners(listeners(processes), urlsplit(running.url).port or 0)


def _hub(wanted: Wanted) -> str:
    """Nothing for what comes from no hub."""
    settings = Settings.of({**os.environ, **wanted.env})
    scheme = parse(wanted.source).scheme
    return {Scheme.HF: settings.hub, Scheme.MODELSCOPE: settings.modelscope}.get(scheme, "")


def _examined(
    address: str, ranked: list[Asked], here: Here, env: Mapping[str, str]
) -> tuple[list[Finding], Report | None]:
    try:
        told = ask(Job(address, tuple(ranked)), env)
    except NoAnswer as error:
        return list(of_no_cluster(ranked, str(error))), None
    return list(of_cluster(told, ranked, here)), told


def here_of(cluster: Cluster, running: Running | None) -> Here:
    """This machine, and what runs or is to run on it."""
    return _here(cluster, pools_of(cluster), running, _own_cluster(running), elsewhere=False)


def _here(
    cluster: Cluster,
    pools: list[Pool],
    running: Running | None,
    address: str | None,
    *,
    elsewhere: bool,
) -> Here:
    """What runs already has its memory; of a cluster that is named, other nodes may have GPUs."""
    at, port = cluster.gateway.host, cluster.gateway.port
    taken = bool(port) and is_taken(at, port)
    by = (holder(port) or "another process") if taken else None
    ours = running is not None and running.url.endswith(f":{port}")
    needs = Needs(
        None if address else needed_gib(pools),
        max((_ranks_on_a_node(pool) for pool in pools), default=1),
        address,
        () if elsewhere else wants_gpus(pools),
    )
    return Here(look(), needs, Port(at, port, by, ours=ours))


def _ranks_on_a_node(pool: Pool) -> int:
    per_node = pool.hardware.per_node
    return pool.layout.ranks if per_node is None else min(pool.layout.ranks, per_node)


def _checked(ray_address: str | None) -> str | None:
    if ray_address is not None and not _ADDRESS.fullmatch(ray_address):
        what = f"--ray-address: found {ray_address!r}; allowed: HOST:PORT, such as 10.0.0.1:6379"
        raise Failure(Exit.BAD_INPUT, what)
    return ray_address


def _own_cluster(running: Running | None) -> str | None:
    return f"{LOOPBACK}:{running.ports.gcs}" if running else None


def _environment(*, named: bool) -> dict[str, str]:
    """By which a Ray program enters the cluster."""
    if named:
        token = _given_token()
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
        return {**os.environ, **secret}
    return {**os.environ, **entry(StateFolder.of(os.environ).ray_token_file)}


def _given_token() -> str | None:
    try:
        return environment(os.environ).ray_token
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
