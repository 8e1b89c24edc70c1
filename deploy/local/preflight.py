"""What must hold before anything is started: a free port, memory, GPUs, weights and keys where the
file says.

Each problem says what was found and what would help. Whether another supervisor runs is the state
folder's lock to say.
"""

from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import Final

import psutil

from deploy.beside import unusable
from deploy.config import Cluster
from deploy.local import gpus, ports
from serving.config import Replicas
from serving.layout import Precision
from serving.layout.weights import bytes_of
from serving.pools.engine import Pool, kv_cache_gib

GIB: Final = 1024**3
HEAD_GIB: Final = 2.0
"""Ray's head with its dashboard, Serve's controller and proxy, the gateway: measured 1.9."""
ENGINE_GIB: Final = 2.5
"""A replica, its engine and its worker before weights and KV cache: measured 2.5."""
WORKER_GIB: Final = 1.8
"""Each further worker of an engine: measured 1.8."""


class NotReady(Exception):
    """The service cannot start here; every reason is in the message."""


def check(pools: Iterable[Pool], cluster: Cluster) -> None:
    """Raises NotReady."""
    pools = tuple(pools)
    problems = [
        *_port_problem(cluster.gateway.host, cluster.gateway.port),
        *(each.what for each in unusable(cluster)),
        *_gpu_problem(pools, gpus.why_none()),
        *(problem for pool in pools for problem in source_problems(pool)),
        *_memory_problem(needed_gib(pools), psutil.virtual_memory().available / GIB),
    ]
    if problems:
        raise NotReady("\n".join(problems))


def check_more(old: Iterable[Pool], new: Iterable[Pool], cluster: Cluster) -> None:
    """What `new`, the pools of the cluster, needs beyond what runs as `old`. Raises NotReady."""
    new = tuple(new)
    more = needed_gib(new) - needed_gib(old)
    problems = [
        *(each.what for each in unusable(cluster)),
        *_gpu_problem(new, gpus.why_none()),
        *(problem for pool in new for problem in source_problems(pool)),
        *_memory_problem(max(0.0, more), psutil.virtual_memory().available / GIB),
    ]
    if problems:
        raise NotReady("\n".join(problems))


def _port_problem(host: str, port: int) -> Iterable[str]:
    if ports.is_taken(host, port):
        by = ports.holder(port)
        yield (
            f"port {port} on {host} is taken{f' by {by}' if by else ''}; "
            "set another as gateway.port, or 0 for a free one"
        )


def source_problems(pool: Pool) -> Iterable[str]:
    if pool.is_local and not (Path(pool.source) / "config.json").is_file():
        yield (
            f"models.{pool.name}: {pool.source} holds no model (there is no config.json in it); "
            "set source to a folder of weights or to a Hugging Face id"
        )


def _gpu_problem(pools: Iterable[Pool], why_none: str | None) -> Iterable[str]:
    if why_none and (names := wants_gpus(pools)):
        yield (
            f"models.{', models.'.join(names)}: on GPUs by the file, and this machine has none "
            f"({why_none}); {gpus.REMEDY}"
        )


def wants_gpus(pools: Iterable[Pool]) -> tuple[str, ...]:
    return tuple(pool.name for pool in pools if not pool.hardware.cpu)


def _memory_problem(needed: float, available: float) -> Iterable[str]:
    if needed > available:
        yield (
            f"memory: about {ceil(needed)} GiB are needed and {available:.1f} GiB are free; "
            "serve fewer models or replicas"
        )


def needed_gib(pools: Iterable[Pool]) -> float:
    """Of the machine's own memory; a GPU's is its engine's to check."""
    return HEAD_GIB + sum(
        replicas_at_least(pool.spec.replicas) * _replica_gib(pool) for pool in pools
    )


def replicas_at_least(replicas: int | Replicas) -> int:
    return replicas if isinstance(replicas, int) else replicas.min


def replicas_at_most(replicas: int | Replicas) -> int:
    return replicas if isinstance(replicas, int) else replicas.max


def _replica_gib(pool: Pool) -> float:
    layout = pool.layout
    processes = layout.data * (ENGINE_GIB + (layout.ranks_per_engine - 1) * WORKER_GIB)
    if not pool.hardware.cpu:
        return processes
    weights = bytes_of(pool.facts, Precision(pool.spec.precision)) / GIB
    # A pocket model's cache is mostly empty, and what is empty takes no memory.
    cache = layout.data * kv_cache_gib(pool) if weights > 1 else 0
    return processes + weights + cache
