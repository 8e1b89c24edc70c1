"""`layouts.yaml`: what the chart must know and cannot compute, made by the code that runs on a
laptop.

A template can arrange; it has no catalog, no roofline and no proof of memory. So all that needs
them stands in a table: of each model its checkpoint and its engine's arguments, of each model on
each usual group of GPUs how it is cut, or the arithmetic of why it cannot be. `bifocal plan
--values` writes a row for what the table lacks. That the whole comes out as
`serving.pools.serve_config` has it is held by a test, for every profile.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.chart.cuts import CACHE, base, cut, source_in_image
from deploy.chart.renamed import RENAMED
from deploy.layouts import problems_of_layouts, with_layouts
from deploy.local import head as local
from deploy.local.pools import BUILDER
from serving.catalog import CATALOG, ModelFacts
from serving.config import OURS, ModelSpec, OutputTokens, Slo
from serving.config.arguments import VLLM
from serving.gateway.loading import BYTES_PER_WEIGHT, expected_start_s
from serving.layout.gpus import KINDS
from serving.layout.memory import DEFAULT_UTILISATION
from serving.layout.support import is_published
from serving.layout.values import Precision
from serving.pools.engine import ACCELERATORS, TRACED, Hardware, Pool
from serving.pools.serve_config import (
    DEPLOYMENT,
    ONE_MORE_PERCENT,
    ONGOING_PER_REPLICA,
    Proxy,
    serve_config,
)
from serving.values import Mode, ModelName

SHAPES: Final = {
    "cpu": ((1, 1),),
    "l4-24g": ((1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (4, 1), (8, 1)),
    "l40s-48g": ((1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (4, 1), (8, 1)),
}
"""GPUs of a node, and nodes, as such GPUs are bought. A pool on a CPU is cut only if its values say
so, and then the table has no row."""
USUAL: Final = ((1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 4))
RAY: Final = "2.60.0"
"""As `pyproject.toml` pins it."""
PORT: Final = 8000
"""Where KubeRay expects Serve's proxies."""
ANY_NUMBER: Final = 1_000_000
POD: Final = {
    "HOME": "/tmp",  # noqa: S108  # the root file system is not to be written to
    "XDG_CACHE_HOME": CACHE,
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
"""Of every pod of Ray's. A node waits ten minutes for a head that is lost; KubeRay says the same
where it knows that the head comes back as it was."""
HEAD: Final = {
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}
"""Of a head: a node that does not answer is lost within 24 s; Ray's own patience is 65."""
STATE: Final = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": "/state"}
"""Of a head that keeps what it knows: Ray's own store, on a volume. By variables and not by
KubeRay's `gcsFaultToleranceOptions`, which takes this store from 1.7 on, behind a gate that is
closed."""
PULL_BYTES_PER_S: Final = 125e6
"""Assumed of the way to a hub, 1 Gbit/s: rather less than there is, since to hear too late that a
roll-out hangs does less harm than to give one up whose weights are still coming."""
PLANNED: Final = {"gpu_memory_utilization": DEFAULT_UTILISATION}
"""Engine arguments of every plan."""
_GROUP: Final = "nodes"
_OTHER: Final = ModelName("another")
"""A second pool, which makes a group shared."""
_CHECKPOINTS: Final = (Precision.BF16, Precision.FP8, Precision.AWQ, Precision.GPTQ_INT4)
_FIRST_LINE: Final = "# Made by `python -m deploy.chart`; edit what it is made from.\n"
_NO_LONGER_LINES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Nodes:
    """A group of the values, as far as layouts go."""

    kind: str
    per_node: int
    nodes: int


def _apart(name: ModelName) -> list[str]:
    """Those that answer in no mode of its own, so that they cannot stand in for it."""
    mine = {*CATALOG[name].modes.offered}
    return [other for other, facts in CATALOG.items() if not mine & {*facts.modes.offered}]


def head() -> dict[str, Any]:
    """All but the cuts, JSON-ready."""
    engine, env = base(ModelName("qwen3-0.6b"), "bf16")
    engines = [base(name, "bf16")[0] for name in CATALOG]
    common = {k: v for k, v in engine.items() if all(each.get(k) == v for each in engines)}
    return {
        **_serve(),
        "engine": common,
        "planned": PLANNED,
        "env": env,
        "traced": TRACED,
        "accelerators": sorted(ACCELERATORS),
        "node": {**POD, **_as_on_one_machine()},
        "head": HEAD,
        "state": STATE,
        "ports": {
            "node": [_port("serve", PORT), _port("metrics", 8080)],
            "head": [_port("gcs-server", 6379), _port("dashboard", 8265)],
        },
        "probes": {
            "readinessProbe": {**_probe(), "failureThreshold": 10},
            "livenessProbe": {**_probe(), "initialDelaySeconds": 30, "failureThreshold": 120},
        },
        "arguments": " ".join(sorted(VLLM - OURS)),
        "renamed": [asdict(each) for each in RENAMED],
        "apart": {name: apart for name in CATALOG if (apart := _apart(name))},
        "promises": {mode.value: _promise(mode) for mode in Mode},
        "models": {
            name: {precision: _model(name, precision, common) for precision in precisions(facts)}
            for name, facts in CATALOG.items()
        },
    }


def _as_on_one_machine() -> dict[str, str]:
    """Of Ray, without what opens a cluster: KubeRay and a Secret bring that."""
    token = Path()
    said = local.environment({}, pool_token="", ray_token_file=token)
    ours = {*local.entry(token), "BIFOCAL_POOL_TOKEN"}
    return {key: value for key, value in said.items() if key not in ours}


def _port(name: str, number: int) -> dict[str, Any]:
    """Of a container; by their names KubeRay and monitors find them."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _probe() -> dict[str, Any]:
    """Of Ray's agent, which every node has. A worker without a replica is ready, too: the gateway
    knows where the replicas are."""
    asked = {"path": "/api/healthz", "port": 52_365}
    return {"httpGet": asked, "periodSeconds": 5, "timeoutSeconds": 5}


def precisions(facts: ModelFacts) -> tuple[str, ...]:
    """That a checkpoint is published of."""
    if not facts.from_qwen:
        return (Precision.BF16.value,)
    return tuple(each.value for each in _CHECKPOINTS if is_published(facts, each))


def combinations() -> Iterator[tuple[ModelName, str, Nodes]]:
    for name, facts in CATALOG.items():
        published = facts.from_qwen
        for precision in precisions(facts):
            for kind in KINDS if published else ("cpu",):
                for per_node, nodes in SHAPES.get(kind, USUAL):
                    yield name, precision, Nodes(kind, per_node, nodes)


def key(name: ModelName, precision: str, group: Nodes) -> str:
    """`qwen3-8b bf16 l40s-48g 1x3`"""
    shape = "" if group.kind == "cpu" else f" {group.per_node}x{group.nodes}"
    return f"{name} {precision} {group.kind}{shape}"


def entry(name: ModelName, precision: str, group: Nodes) -> dict[str, Any]:
    """Its cuts, for a group of its own and for one that it shares; or why there is none. Of each
    list the first that has `upTo` replicas or more than are asked for."""
    gpus = {_GROUP: group}
    models = {name: _spec(precision)}
    if problems := list(problems_of_layouts(models, gpus)):
        return {"no": "; ".join(text.removeprefix(f"models.{name}: ") for text in problems)}
    alone = _steps(name, models, gpus)
    shared = _steps(name, {**models, _OTHER: _spec(precision)}, gpus)
    return {"alone": alone} if shared == alone else {"alone": alone, "shared": shared}


def _steps(
    name: ModelName, models: dict[ModelName, ModelSpec], gpus: dict[str, Nodes]
) -> list[dict[str, Any]]:
    """As more replicas are asked for, each gets fewer GPUs. On a CPU nothing is counted."""
    group = gpus[_GROUP]
    if group.kind == "cpu":
        return [{**_short(cut(name, models, gpus)), "upTo": ANY_NUMBER}]
    steps: list[dict[str, Any]] = []
    for least in range(1, group.per_node * group.nodes + 1):
        asked = {**models, name: models[name].model_copy(update={"replicas": least})}
        if "layout" not in with_layouts(asked, gpus)[name].model_fields_set:
            break
        found = {**_short(cut(name, asked, gpus)), "upTo": least}
        if steps and {**steps[-1], "upTo": least} == found:
            steps.pop()
        steps.append(found)
    return steps


def _short(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is as always."""
    layout = {key: size for key, size in found["layout"].items() if size is True or size > 1}
    engine = {key: value for key, value in found["engine"].items() if key not in PLANNED}
    kept = {"layout": layout, "engine": engine, "env": found["env"]}
    return {
        **{key: value for key, value in kept.items() if value},
        "stuckAfter": found["stuckAfter"],
    }


def _spec(precision: str) -> ModelSpec:
    return ModelSpec.model_validate({"on": _GROUP, "precision": precision})


def _serve() -> dict[str, Any]:
    """What is the same for all pools, taken from a text as `serve_config` makes it."""
    name = ModelName("qwen3-0.6b")
    pool = Pool(name, _spec("bf16"), CATALOG[name], Hardware(cpu=False), "")
    proxy = Proxy("0.0.0.0", PORT, everywhere=True)  # noqa: S104  # the address of the pod
    text = serve_config([pool], proxy=proxy, longest_answer_s=0, cache=CACHE)
    (application,) = text.pop("applications")
    same = (
        "max_ongoing_requests", "health_check_period_s", "health_check_timeout_s",
        "max_constructor_retry_count",
    )  # fmt: skip
    options = application["args"]["deployment"]
    return {
        "serve": text,
        "builder": BUILDER,
        "deploymentName": DEPLOYMENT,
        "ray": RAY,
        "deployment": {key: options[key] for key in same},
        "ongoingPerReplica": ONGOING_PER_REPLICA,
        "oneMorePercent": ONE_MORE_PERCENT,
    }


def _model(name: ModelName, precision: str, common: dict[str, Any]) -> dict[str, Any]:
    facts = CATALOG[name]
    engine, _ = base(name, precision)
    return {
        "source": source_in_image(_spec(precision), facts),
        "start": round(expected_start_s(facts, precision)),
        "pull": round(facts.parameters * BYTES_PER_WEIGHT[precision] / PULL_BYTES_PER_S),
        "engine": {key: value for key, value in engine.items() if common.get(key) != value},
    }


def _promise(mode: Mode) -> dict[str, Any]:
    """How long an answer may take at most, where the values do not say."""
    tokens = OutputTokens().of(mode)
    return {**Slo().of(mode).model_dump(mode="json", by_alias=True), "tokens": tokens}


def text() -> str:
    """One line an entry."""
    cuts = (f"  {key(*each)}: {_line(entry(*each))}" for each in combinations())
    return "\n".join([_FIRST_LINE + _block(head()) + "cuts:", *cuts, ""])


def _block(value: object) -> str:
    made: str = yaml.safe_dump(value, sort_keys=False, width=_NO_LONGER_LINES)
    return made


def _line(value: object) -> str:
    made: str = yaml.safe_dump(
        value, sort_keys=False, width=_NO_LONGER_LINES, default_flow_style=True
    )
    return made.strip()
