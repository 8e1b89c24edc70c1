"""All pools as Serve's declarative text: the body of `PUT /api/serve/applications/` on one machine,
`serveConfigV2` on Kubernetes.

Pure. It holds no secret: Ray's REST API shows it to whoever asks.
"""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from serving.config import Replicas
from serving.pools.engine import Pool, arguments, environment
from serving.values import ModelName

BUILDER: Final = "serving.pools.app:build"
"""Serves folders. Who can fetch what is none has a builder of his own."""
DEPLOYMENT: Final = "engine"
"""The deployment's name within the application, which is named after the pool."""
ONGOING_PER_REPLICA: Final = 32
"""Requests at once that one replica should have; with more, another one is started."""
HEALTH_CHECK_PERIOD_S: Final = 5
HEALTH_CHECK_TIMEOUT_S: Final = 30
"""An engine that shares few cores may be late to answer without being ill."""
ONE_MORE_PERCENT: Final = 1
"""Of replicas, as Serve's `max_surge_percent`, which it rounds up: one, or one gang of engines."""
MOST_ONGOING: Final = 1_000_000
"""The gateway admits requests; a replica turns none away."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Serve's own HTTP proxy. No token passes through it, but replicas listen where it does."""

    host: str
    port: int
    everywhere: bool = False
    """Whether each node has one, by which KubeRay knows it for good, or the head alone."""


def route_prefix(pool: Pool) -> str:
    return f"/pools/{pool.name}"


def serve_config(
    pools: Iterable[Pool],
    *,
    proxy: Proxy,
    longest_answer_s: float,
    cache: str,
    start_attempts: int = 3,
    builder: str = BUILDER,
    surging: Container[ModelName] = (),
) -> dict[str, Any]:
    """JSON-ready. A pool whose first replica could not start `start_attempts` times has failed.

    Replicas of pools that are `surging` are replaced the new one first, for which there must be
    room: Serve waits for it for good, while the old one answers.
    """
    return {
        "proxy_location": "EveryNode" if proxy.everywhere else "HeadOnly",
        "http_options": {"host": proxy.host, "port": proxy.port},
        # A line for each request would cost more than the request's way through the replica.
        "logging_config": {"enable_access_log": False},
        "applications": [
            {
                **_application(pool, cache, builder, _deployment(pool, start_attempts)),
                "deployments": [
                    {
                        "name": DEPLOYMENT,
                        **_adjustable(pool, longest_answer_s),
                        **({"max_surge_percent": ONE_MORE_PERCENT} if pool.name in surging else {}),
                    }
                ],
            }
            for pool in pools
        ],
    }


def _application(
    pool: Pool, cache: str, builder: str, deployment: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": pool.name,
        "route_prefix": route_prefix(pool),
        "import_path": builder,
        "runtime_env": {"env_vars": environment(pool, cache)},
        "args": {
            "name": pool.name,
            "source": pool.source,
            **({"weights": asdict(pool.weights)} if pool.weights else {}),
            "cpu": not pool.by_ray,
            "accelerator": pool.hardware.accelerator,
            "stuck_after_s": pool.stuck_after_s,
            "engine": arguments(pool),
            "deployment": deployment,
        },
    }


def _adjustable(pool: Pool, longest_answer_s: float) -> dict[str, Any]:
    """What Serve changes while replicas run. Were it among the application's arguments, each change
    of it would replace all of them. A replica that leaves may finish the longest answer; one that
    is idle leaves sooner."""
    return {
        **_scale(pool.spec.replicas, pool.layout.data),
        "graceful_shutdown_timeout_s": longest_answer_s,
    }


def _deployment(pool: Pool, start_attempts: int) -> dict[str, Any]:
    """What is part of a replica: another value is another replica."""
    return {
        **_placement(pool),
        "max_ongoing_requests": MOST_ONGOING,
        "health_check_period_s": HEALTH_CHECK_PERIOD_S,
        "health_check_timeout_s": HEALTH_CHECK_TIMEOUT_S,
        "max_constructor_retry_count": start_attempts,
    }


def _placement(pool: Pool) -> dict[str, Any]:
    """One group for each engine, with a bundle for each of its workers; the replica itself stands
    in the first, on a CPU that its worker does not use."""
    labels = dict(pool.hardware.labels)
    return {
        "placement_group_bundles": [_worker_bundle(pool)] * pool.layout.ranks_per_engine,
        **({"placement_group_bundle_label_selector": [labels]} if labels else {}),
        **(_gang(pool) if pool.layout.data > 1 else {"placement_group_strategy": _strategy(pool)}),
        "ray_actor_options": {"num_cpus": 1 if pool.by_ray else 0},
    }


def _strategy(pool: Pool) -> str:
    """An engine that fits into one node is never cut by the network. One that does not is packed
    into few, and vLLM orders its workers by node, so that those of one stage are together."""
    return "PACK" if pool.spans_nodes else "STRICT_PACK"


def _gang(pool: Pool) -> dict[str, Any]:
    """Ray Serve places the engines of a data-parallel replica together, and starts all of them
    again when one fails: none can take a step without the others."""
    return {
        "num_replicas": pool.layout.data,  # one gang, until the pool's own number comes on top
        "gang_scheduling_config": {
            "gang_size": pool.layout.data,
            "gang_placement_strategy": "PACK",
            "runtime_failure_policy": "RESTART_GANG",
        },
    }


def _worker_bundle(pool: Pool) -> dict[str, float]:
    """By Ray, each worker gets a GPU, or on CPUs over several nodes what is pretended to be one."""
    if not pool.by_ray:
        return {"CPU": 1}
    named = pool.hardware.accelerator
    # A trace of the resource by which Ray knows the kind of GPU: it only chooses the node.
    return {"CPU": 1, "GPU": 1} | ({f"accelerator_type:{named}": 0.001} if named else {})


def _scale(replicas: int | Replicas, engines: int) -> dict[str, Any]:
    """What Serve calls a replica is one engine, of which a data-parallel one has several."""
    if isinstance(replicas, int):
        return {"num_replicas": replicas * engines}
    return {
        "num_replicas": None,
        "autoscaling_config": {
            "min_replicas": replicas.min * engines,
            "max_replicas": replicas.max * engines,
            "target_ongoing_requests": ONGOING_PER_REPLICA,
        },
    }
