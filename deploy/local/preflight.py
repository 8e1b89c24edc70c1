"""What must hold before anything is started: a free port, memory, GPUs, weights and keys where the
file says.

Each problem says what was found and what would help. Whether another supervisor runs is the state
folder's lock to say.
"""

import errno
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from deploy.beside import unusable
from deploy.config import Cluster
from deploy.local import gpus, ports
from serving.layout import Precision
from serving.layout.weights import bytes_of
from serving.pools.engine import Pool, kv_cache_gib
from serving.sizes import GIB, in_words
from serving.values import ModelName

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
    port = _port_problem(cluster.gateway.host, cluster.gateway.port)
    _refuse([*port, *_problems(pools, cluster, needed_gib(pools))])


def check_more(old: Iterable[Pool], new: Iterable[Pool], cluster: Cluster) -> None:
    """What `new`, the pools of the cluster, needs beyond what runs as `old`. Raises NotReady."""
    new = tuple(new)
    more = max(0.0, needed_gib(new) - needed_gib(old))
    _refuse(_problems(new, cluster, more))


def too_large(pools: Iterable[Pool]) -> frozenset[ModelName]:
    """Pools of which the memory that is free now has no room for one replica more."""
    free = psutil.virtual_memory().available / GIB
    return frozenset(pool.name for pool in pools if _replica_gib(pool) > free)


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise NotReady("\n".join(found))


def _problems(pools: Sequence[Pool], cluster: Cluster, needed: float) -> Iterator[str]:
    """`needed` is memory in GiB."""
    yield from (each.what for each in unusable(cluster))
    yield from _gpu_problem(pools, gpus.why_none())
    for pool in pools:
        yield from source_problems(pool)
    yield from _memory_problem(needed, psutil.virtual_memory().available / GIB)


def _port_problem(host: str, port: int) -> Iterable[str]:
    error = ports.refusal(host, port)
    if error is not None and error.errno != errno.EADDRINUSE:
        yield (
            f"gateway: port {port} on {host} cannot be listened at: {error.strerror}; "
            "set an address of this machine as gateway.host, or a port from 1024 on"
        )
    elif error is not None:
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
            f"memory: about {in_words(needed * GIB)} are needed and {in_words(available * GIB)}"
            " are free; serve fewer models or replicas"
        )


def needed_gib(pools: Iterable[Pool]) -> float:
    """Of the machine's own memory; a GPU's is its engine's to check."""
    return HEAD_GIB + sum(pool.spec.bounds.min * _replica_gib(pool) for pool in pools)


def _replica_gib(pool: Pool) -> float:
    layout = pool.layout
    processes = layout.data * (ENGINE_GIB + (layout.ranks_per_engine - 1) * WORKER_GIB)
    if not pool.hardware.cpu:
        return processes
    weights = bytes_of(pool.facts, Precision(pool.spec.precision)) / GIB
    # A pocket model's cache is mostly empty, and what is empty takes no memory.
    cache = layout.data * kv_cache_gib(pool) if weights > 1 else 0
    return processes + weights + cache
