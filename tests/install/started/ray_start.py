"""The line that starts Ray on a node, as KubeRay makes it of `rayStartParams`. Pure.

After ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/common/pod.go`:
setMissingRayStartParams, generateRayStartCommand, convertParamMap.
"""

from collections.abc import Mapping
from typing import Final

from tests.install.helm import Manifest
from tests.install.started.quantities import quantity

HEAD: Final = "head"
WORKER: Final = "worker"
GCS_PORT: Final = "6379"
METRICS_PORT: Final = "8080"
AGENT_PORT: Final = "52365"
TAKES_BOOLEANS: Final = frozenset({"log-color", "include-dashboard", "include-log-monitor"})
"""Options that want a value where others are switches."""

Params = dict[str, str]


def start_params(
    kind: str,
    given: Mapping[str, str],
    *,
    container: Manifest,
    labels: Mapping[str, str],
    head: str,
) -> Params:
    """`rayStartParams` with what is missing in them. `head` is the head's name for workers."""
    params = dict(given)
    if labels:
        params["labels"] = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
    if kind == WORKER:
        params.setdefault("address", f"{head}:{GCS_PORT}")
    else:
        params.setdefault("dashboard-host", "0.0.0.0")
    params.setdefault("metrics-export-port", METRICS_PORT)
    params["block"] = "true"
    params.setdefault("dashboard-agent-listen-port", AGENT_PORT)
    return _with_resources(params, container.get("resources", {}))


def _with_resources(params: Params, resources: Manifest) -> Params:
    limits = resources.get("limits", {})
    for cpu in (limits.get("cpu"), resources.get("requests", {}).get("cpu")):
        if cpu is not None and quantity(cpu):
            params.setdefault("num-cpus", str(quantity(cpu)))
    if "memory" in limits:
        params.setdefault("memory", str(quantity(limits["memory"])))
    for name in sorted(limits):
        if name.endswith("gpu") and quantity(limits[name]):
            params.setdefault("num-gpus", str(quantity(limits[name])))
    return params


def start_command(kind: str, params: Params) -> str:
    """The line that starts Ray, spaces and all."""
    options = "".join(map(_option, sorted(params), map(params.__getitem__, sorted(params))))
    return f"ray start {'--head ' if kind == HEAD else ''}{options}"


def _option(name: str, value: str) -> str:
    if value.lower() in ("true", "false") and name not in TAKES_BOOLEANS:
        return f" --{name} " if value.lower() == "true" else ""
    return f" --{name}={value} "
