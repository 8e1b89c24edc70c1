"""What each field of the cluster file changes in a running service, and what it costs."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from deploy.config import Cluster
from deploy.local.changes import Changes, as_it_listens, changes, differing
from deploy.local.pool_changes import Kind
from serving.values import ModelName

BASE: dict[str, Any] = {
    "gpus": {
        "h100": {"kind": "h100-80g", "perNode": 8, "nodes": 2},
        "cpu": {"kind": "cpu", "perNode": 2},
    },
    "models": {
        "qwen3-8b": {"on": "h100", "replicas": 2, "layout": {"tensor": 1}},
        "pocket-dense": {"on": "cpu"},
        "qwen3-0.6b": {"on": "h100", "targets": ["http://a"]},
    },
    "gateway": {"port": 8000},
}
GPU, CPU, FIXED = "qwen3-8b", "pocket-dense", "qwen3-0.6b"
CPUS = 3
COLLECTOR = "http://collector:4317"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`None` takes a key away."""
    found = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return {key: value for key, value in found.items() if value is not None}


def cluster(**over: Any) -> Cluster:
    return Cluster.model_validate(merged(BASE, over))


def of(model: str, **fields: Any) -> dict[str, Any]:
    return {"models": {model: fields}}


def found_for(over: Mapping[str, Any]) -> Changes:
    return changes(cluster(), cluster(**over), cpus=CPUS)


ROLLED, SURGED = {GPU: Kind.ROLLED}, {CPU: Kind.SURGED}
ALL_ADJUSTED = {GPU: Kind.ADJUSTED, CPU: Kind.ADJUSTED}
REFUSED, NOWHERE = "refused", "without effect"

FIELDS = [
    ("models.*.on", of(GPU, on="cpu", replicas=1), {GPU: Kind.SURGED}, ""),
    ("models.*.source", of(GPU, source="org/other"), ROLLED, "gateway"),
    ("models.*.revision", of(GPU, revision="abc"), ROLLED, ""),
    ("models.*.like", of(GPU, like="qwen3-4b", source="org/4b"), ROLLED, "gateway"),
    ("models.*.replicas", of(GPU, replicas=3), {GPU: Kind.SCALED}, ""),
    ("models.*.replicas", of(GPU, replicas={"min": 2, "max": 3}), ROLLED, ""),
    ("models.*.replicas", of(CPU, replicas={"min": 0, "max": 1}), SURGED, "gateway"),
    ("models.*.context", of(CPU, context=1024), SURGED, "gateway"),
    ("models.*.precision", of(GPU, precision="fp8"), ROLLED, "gateway"),
    ("models.*.layout.tensor", of(GPU, layout={"tensor": 2}), ROLLED, ""),
    ("models.*.layout.pipeline", of(GPU, layout={"pipeline": 2}), ROLLED, ""),
    ("models.*.stuckAfter", of(CPU, stuckAfter="9s"), SURGED, ""),
    ("models.*.holdFor", of(CPU, holdFor="9s"), {}, "gateway"),
    ("models.*.instead", of(CPU, instead=GPU), {}, "gateway"),
    ("models.*.engine", of(GPU, engine={"max_num_seqs": 8}), ROLLED, ""),
    ("models.*.engine", of(CPU, engine={"max_num_seqs": 8}), SURGED, ""),
    ("models.*.env", of(CPU, env={"A": "1"}), SURGED, ""),
    ("models.*.targets", of(FIXED, targets=["http://b"]), {}, "gateway"),
    ("models.*.targets", of(CPU, targets=["http://b"]), {CPU: Kind.REMOVED}, "gateway"),
    ("models.*.targetsToken", of(FIXED, targetsToken="file"), {}, "gateway"),
    ("models.*.engine", of(FIXED, engine={"max_num_seqs": 8}), {}, NOWHERE),
    ("weights.folder", {"weights": {"folder": "/w"}}, ROLLED, ""),
    ("weights.hub", {"weights": {"hub": "ms"}}, ROLLED, ""),
    ("weights.address", {"weights": {"address": "https://mirror"}}, ROLLED, ""),
    ("weights.offline", {"weights": {"offline": True}}, ROLLED, ""),
    ("router.fast", {"router": {"fast": GPU}}, {}, "gateway"),
    ("router.deep", {"router": {"deep": CPU}}, {}, "gateway"),
    ("gateway.host", {"gateway": {"host": "::1"}}, {}, REFUSED),
    ("gateway.port", {"gateway": {"port": 8001}}, {}, REFUSED),
    ("gateway.keys", {"gateway": {"keys": "keys.yaml"}}, {}, "gateway"),
    ("gateway.keepAlive", {"gateway": {"keepAlive": "5s"}}, {}, "gateway"),
    ("gateway.targetsEvery", {"gateway": {"targetsEvery": "2s"}}, {}, "gateway"),
    *(
        (f"gateway.limits.{key}", {"gateway": {"limits": {key: value}}}, {}, "gateway")
        for key, value in {
            "bodySize": "1MiB",
            "jsonDepth": 8,
            "messages": 9,
            "tools": 9,
            "choices": 2,
            "stops": 2,
            "logprobs": 2,
            "schemaSize": "1KiB",
            "concurrentRequests": 9,
            "timeToFirstByte": "9s",
        }.items()
    ),
    *(
        (
            f"gateway.limits.outputTokens.{mode}",
            {"gateway": {"limits": {"outputTokens": {mode: 99}}}},
            {},
            "gateway",
        )
        for mode in ("plain", "thinking")
    ),
    *(
        (
            f"slo.{mode}.{key}",
            {"slo": {mode: {"ttft": "1s", "tpot": "9ms"} | {key: value}}},
            {},
            "gateway",
        )
        for mode in ("plain", "thinking")
        for key, value in {"ttft": "8ms", "tpot": "8ms", "kept": 0.9}.items()
    ),
    ("slo.availability", {"slo": {"availability": 0.99}}, {}, "gateway"),
    ("longestAnswer", {"longestAnswer": "2h"}, ALL_ADJUSTED, "gateway"),
    ("tracing.endpoint", {"tracing": {"endpoint": COLLECTOR}}, ROLLED | SURGED, "gateway"),
    (
        "tracing.sample",
        {"tracing": {"endpoint": COLLECTOR, "sample": 1}},
        ROLLED | SURGED,
        "gateway",
    ),
    ("gpus.*.kind", {"gpus": {"h100": {"kind": "h200-141g"}}}, None, REFUSED),
    ("gpus.*.perNode", {"gpus": {"h100": {"perNode": 4}}}, None, REFUSED),
    ("gpus.*.nodes", {"gpus": {"h100": {"nodes": 3}}}, None, REFUSED),
    ("gpus.*.labels", {"gpus": {"h100": {"labels": {"zone": "b"}}}}, None, REFUSED),
    ("gpus.*.nodeSelector", {"gpus": {"h100": {"nodeSelector": {"a": "b"}}}}, {}, NOWHERE),
    ("gpus.*.network.interface", {"gpus": {"h100": {"network": {"interface": "e0"}}}}, ROLLED, ""),
    ("gpus.*.network.rdma", {"gpus": {"h100": {"network": {"rdma": ["mlx5_0"]}}}}, ROLLED, ""),
    (
        "gpus.*.network.nccl",
        {"gpus": {"h100": {"network": {"nccl": {"NCCL_DEBUG": "INFO"}}}}},
        ROLLED,
        "",
    ),
]


@pytest.mark.parametrize(
    ("field", "over", "pools", "more"), [pytest.param(*row, id=row[0]) for row in FIELDS]
)
def test_a_field_restarts_what_it_must_and_nothing_else(
    field: str, over: dict[str, Any], pools: Mapping[str, Kind] | None, more: str
) -> None:
    found = found_for(over)
    named = [".".join(place) for place in differing(cluster(), cluster(**over))]
    assert named
    if pools is not None:  # of what is refused it does not matter
        assert {change.name: change.kind for change in found.pools} == pools
    assert bool(found.gateway) is (more == "gateway")
    assert bool(found.refused) is (more == REFUSED)
    assert bool(found.without_effect) is (more == NOWHERE)
    told = {*found.gateway, *found.without_effect, *(k for c in found.pools for k in c.keys)}
    assert told | {line.partition(":")[0] for line in found.refused} == set(named)


def leaves(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Every field of the cluster file, `*` for names of its writer's own."""
    for field in model.model_fields.values():
        here = f"{at}{field.alias}"
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not inner or field.alias == "replicas":
            yield here
        else:
            yield from leaves(
                inner[0], f"{here}.{'*.' if get_origin(field.annotation) is dict else ''}"
            )


# Only a mixture of experts has these, and below is a test with one.
OF_EXPERTS = {"models.*.layout.data", "models.*.layout.expert"}


def test_no_field_of_the_cluster_file_is_left_out() -> None:
    assert {row[0] for row in FIELDS} | OF_EXPERTS == set(leaves(Cluster))


def test_the_same_file_changes_nothing_though_it_writes_out_defaults() -> None:
    found = found_for({"gateway": {"host": "127.0.0.1"}, "longestAnswer": "60m"})
    assert found == Changes()
    assert found.nothing


def test_models_come_and_go() -> None:
    found = found_for({"models": {CPU: None, "qwen3-4b": {"on": "h100", "layout": {"tensor": 1}}}})
    kinds = {change.name: (change.kind, change.keys) for change in found.pools}
    assert kinds == {
        CPU: (Kind.REMOVED, (f"models.{CPU}",)),
        "qwen3-4b": (Kind.ADDED, ("models.qwen3-4b",)),
    }
    assert set(found.gateway) == {f"models.{CPU}", "models.qwen3-4b"}
    assert found.beside


def test_a_model_in_the_place_of_another_has_no_room_beside_it() -> None:
    new = {"on": "h100", "replicas": 15, "layout": {"tensor": 1}}
    found = found_for({"models": {GPU: None, "qwen3-4b": new}})
    assert not found.beside
    assert not found.refused


@pytest.mark.parametrize(
    ("over", "why"),
    [
        pytest.param(of(CPU, replicas=4), "4 CPUs, and Ray counts with 3", id="CPUs"),
        pytest.param(
            {"gpus": {"l4": {"kind": "l4-24g"}}}, "gpus.l4: Ray's nodes", id="nodes of another kind"
        ),
    ],
)
def test_what_has_no_room_is_refused_with_the_arithmetic(over: dict[str, Any], why: str) -> None:
    (line,) = found_for(over).refused
    assert why in line


@pytest.mark.parametrize(
    ("over", "keys", "pools"),
    [
        ({"sample": 1}, ("tracing.sample",), set()),
        ({"endpoint": "http://other:4317"}, ("tracing.endpoint",), {GPU, CPU}),
    ],
)
def test_of_how_many_traces_there_are_no_engine_knows(
    over: dict[str, Any], keys: tuple[str, ...], pools: set[str]
) -> None:
    old = cluster(tracing={"endpoint": COLLECTOR})
    found = changes(old, cluster(tracing={"endpoint": COLLECTOR} | over), cpus=CPUS)
    assert found.gateway == keys
    assert {change.name for change in found.pools} == pools
    (off,) = changes(old, cluster(), cpus=CPUS).gateway
    assert off == "tracing"


def test_a_group_of_gpus_that_nobody_stands_on_may_go() -> None:
    old = cluster(gpus={"l4": {"kind": "l4-24g"}})
    found = changes(old, cluster(), cpus=CPUS)
    assert (found.without_effect, found.refused) == (("gpus.l4",), ())


def test_a_free_port_is_the_one_that_it_has() -> None:
    new = as_it_listens(cluster(gateway={"port": 0}), cluster())
    assert changes(cluster(), new, cpus=CPUS).nothing


@pytest.mark.parametrize(
    ("replicas", "others", "kind", "says"),
    [
        pytest.param(1, 1, Kind.SURGED, "room for one more", id="one"),
        pytest.param(1, 15, Kind.REPLACED, "503 with Retry-After", id="one, and no room"),
        pytest.param(2, 1, Kind.ROLLED, "2 replicas, one at a time", id="two"),
        pytest.param(12, 1, Kind.ROLLED, "12 replicas, 2 at a time", id="many"),
    ],
)
def test_the_cost_follows_from_the_replicas_and_the_room(
    replicas: int, others: int, kind: Kind, says: str
) -> None:
    beside = {"qwen3-4b": {"on": "h100", "replicas": others, "layout": {"tensor": 1}}}
    of_it = {"on": "h100", "replicas": replicas, "layout": {"tensor": 1}}
    old, new = (
        cluster(models={GPU: {**of_it, "engine": engine}} | beside)
        for engine in ({}, {"max_num_seqs": 8})
    )
    (change,) = changes(old, new, cpus=CPUS).pools
    assert change.kind is kind
    assert says in change.cost


@pytest.mark.parametrize(
    ("per_node", "cpus", "too_large", "kind"),
    [
        pytest.param(2, 2, (), Kind.SURGED, id="room"),
        pytest.param(1, 2, (), Kind.REPLACED, id="not by the file"),
        pytest.param(2, 1, (), Kind.REPLACED, id="not by Ray"),
        pytest.param(2, 2, (CPU,), Kind.REPLACED, id="not by the memory"),
    ],
)
def test_on_cpus_room_is_what_the_file_and_ray_and_the_memory_have(
    per_node: int, cpus: int, too_large: tuple[str, ...], kind: Kind
) -> None:
    old, new = (
        cluster(gpus={"cpu": {"perNode": per_node}}, models={CPU: {"engine": engine}})
        for engine in ({}, {"max_num_seqs": 8})
    )
    names = frozenset(map(ModelName, too_large))
    (change,) = changes(old, new, cpus=cpus, too_large=names).pools
    assert change.kind is kind


def test_one_replica_that_becomes_two_is_never_away() -> None:
    old = cluster(**of(GPU, replicas=1))
    new = cluster(**of(GPU, engine={"max_num_seqs": 8}))
    (change,) = changes(old, new, cpus=CPUS).pools
    assert change.kind is Kind.ROLLED
