"""All pools as Serve's declarative text: the body of `PUT /api/serve/applications/` on one machine,
`serveConfigV2` on Kubernetes.

Pure. It holds no secret: Ray's REST API shows it to whoever asks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from serving.config import Replicas
from serving.pools.engine import Pool, arguments, environment

BUILDER: Final = "serving.pools.app:build"
ONGOING_PER_REPLICA: Final = 32
"""Requests at once that one replica should have; with more, another one is started."""
HEALTH_CHECK_PERIOD_S: Final = 5
HEALTH_CHECK_TIMEOUT_S: Final = 30
"""An engine that shares few cores may be late to answer without being ill."""
MOST_ONGOING: Final = 1_000_000
"""The gateway admits requests; a replica turns none away."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Serve's own HTTP proxy. No token passes through it, but replicas listen where it does."""

    host: str
    port: int


def route_prefix(pool: Pool) -> str:
    return f"/pools/{pool.name}"


def serve_config(
    pools: Iterable[Pool],
    *,
    proxy: Proxy,
    longest_answer_s: float,
    cache: str,
    start_attempts: int = 3,
) -> dict[str, Any]:
    """JSON-ready. A pool whose first replica could not start `start_attempts` times has failed."""
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": proxy.host, "port": proxy.port},
        # A line for each request would cost more than the request's way through the replica.
        "logging_config": {"enable_access_log": False},
        "applications": [
            _application(pool, cache, _deployment(pool, longest_answer_s, start_attempts))
            for pool in pools
        ],
    }


def _application(pool: Pool, cache: str, deployment: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": pool.name,
        "route_prefix": route_prefix(pool),
        "import_path": BUILDER,
        "runtime_env": {"env_vars": environment(pool, cache)},
        "args": {
            "name": pool.name,
            "source": pool.source,
            "cpu": pool.hardware.cpu,
            "accelerator": pool.hardware.accelerator,
            "engine": arguments(pool),
            "deployment": deployment,
        },
    }


def _deployment(pool: Pool, longest_answer_s: float, start_attempts: int) -> dict[str, Any]:
    """A replica that leaves may finish the longest answer; one that is idle leaves sooner."""
    return {
        **_scale(pool.spec.replicas),
        **_placement(pool),
        "max_ongoing_requests": MOST_ONGOING,
        "graceful_shutdown_timeout_s": longest_answer_s,
        "health_check_period_s": HEALTH_CHECK_PERIOD_S,
        "health_check_timeout_s": HEALTH_CHECK_TIMEOUT_S,
        "max_constructor_retry_count": start_attempts,
    }


def _placement(pool: Pool) -> dict[str, Any]:
    """One bundle for each of the engine's workers; the replica itself stands in the first, with a
    CPU of its own where there are GPUs, else on its worker's."""
    worker = _worker_bundle(pool)
    first = worker if pool.hardware.cpu else {**worker, "CPU": 1}
    return {
        "placement_group_bundles": [first, *[worker] * (pool.spec.tensor_parallel_size - 1)],
        "placement_group_strategy": "PACK",
        "ray_actor_options": {"num_cpus": 0 if pool.hardware.cpu else 1},
    }


def _worker_bundle(pool: Pool) -> dict[str, float]:
    if pool.hardware.cpu:
        return {"CPU": 1}
    named = pool.hardware.accelerator
    # A trace of the resource by which Ray knows the kind of GPU: it only chooses the node.
    return {"GPU": 1} | ({f"accelerator_type:{named}": 0.001} if named else {})


def _scale(replicas: int | Replicas) -> dict[str, Any]:
    if isinstance(replicas, int):
        return {"num_replicas": replicas}
    return {
        "autoscaling_config": {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": ONGOING_PER_REPLICA,
        }
    }
