"""The command line and the environment of our own Ray head.

Pure. Every port is named, so that other Ray clusters on the machine are left alone, and every
address is loopback.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from deploy.local.ports import LOOPBACK, free_ports
from serving.pools.gangs import HOOK

OBJECT_STORE_BYTES: Final = 128 * 1024**2
"""Nothing of ours goes through it; Ray's own default is a third of the memory."""

INHERITED_RAY: Final = frozenset({"RAY_ADDRESS", "RAY_JOB_ID", "RAY_NAMESPACE", "RAY_TMPDIR"})
"""Variables that would tie us to another cluster."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One of each for the head; replicas take theirs from Serve's range, 30000-31000."""

    gcs: int
    node_manager: int
    object_manager: int
    dashboard: int
    agent_http: int
    agent_grpc: int
    runtime_env: int
    metrics: int
    client: int
    proxy: int

    @classmethod
    def choose(cls) -> "Ports":
        return cls(*free_ports(len(fields(cls))))


def command(ports: Ports, *, temp_dir: Path, cpus: int) -> list[str]:
    """`--block` keeps the head one process tree that ends with its root. Workers take ports of the
    system's choice (0): a fixed range could meet another cluster's."""
    options: dict[str, object] = {
        "port": ports.gcs,
        "node-manager-port": ports.node_manager,
        "object-manager-port": ports.object_manager,
        "dashboard-port": ports.dashboard,
        "dashboard-agent-listen-port": ports.agent_http,
        "dashboard-agent-grpc-port": ports.agent_grpc,
        "runtime-env-agent-port": ports.runtime_env,
        "metrics-export-port": ports.metrics,
        "ray-client-server-port": ports.client,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "node-ip-address": LOOPBACK,
        "dashboard-host": LOOPBACK,
        "temp-dir": temp_dir,
        "num-cpus": cpus,
        "include-log-monitor": False,  # it sends workers' lines to a driver, and there is none
        "object-store-memory": OBJECT_STORE_BYTES,
    }
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    return [*ray, "--disable-usage-stats", *(f"--{k}={v}" for k, v in options.items())]


def entry(ray_token_file: Path) -> dict[str, str]:
    """What a program must be told to be of this cluster, or to ask it for something."""
    return {
        # Who may call Ray may run code: its REST API and its gRPC ports ask for this token.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(ray_token_file),
        # Ray turns a loopback address into the machine's own, unless it is told, as on Windows and
        # macOS, that it will never have a second node.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def environment(
    inherited: Mapping[str, str], *, pool_token: str, ray_token_file: Path
) -> dict[str, str]:
    """What every process of the cluster sees. Direct ingress: each replica answers on a port of its
    own. An idle replica that leaves lingers until the gateway has asked anew, which it does each
    second (5 s; Ray's own 30 are for load balancers). One that Serve has given up is killed: Serve
    would wait for its last answer, as long as the longest may take, and what is stuck would keep
    its GPUs from the replica that takes its place."""
    kept = {key: value for key, value in inherited.items() if key not in INHERITED_RAY}
    return {
        **kept,
        **entry(ray_token_file),
        **HOOK,
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": "0",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
        "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
        # Ray gives its own agents up after fifteen seconds, which a busy laptop can take.
        "RAY_agent_register_timeout_ms": "120000",
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_USAGE_STATS_ENABLED": "0",
        "BIFOCAL_POOL_TOKEN": pool_token,
    }
