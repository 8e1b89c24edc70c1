"""All pools as Serve's declarative text."""

import json
from typing import Any

import pytest

from serving.catalog import CATALOG
from serving.config import ModelSpec, Replicas
from serving.pools.engine import Hardware, Pool
from serving.pools.serve_config import Proxy, serve_config
from serving.values import ModelName


def config(*pools: Pool, **changes: Any) -> dict[str, Any]:
    given = {"proxy": Proxy("127.0.0.1", 8100), "longest_answer_s": 1800.0, "cache": "/cache"}
    return serve_config(pools, **{**given, **changes})


def pool(name: str = "qwen3-8b", kind: str = "h100-80g", **spec: Any) -> Pool:
    model = ModelName(name)
    return Pool(model, ModelSpec(on="nodes", **spec), CATALOG[model], Hardware.of(kind), "/models")


def deployment(found: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = found["applications"][0]["args"]["deployment"]
    return options


def test_each_model_is_an_application_of_its_name() -> None:
    found = config(pool("qwen3-8b"), pool("qwen3-0.6b"))
    assert [(app["name"], app["route_prefix"]) for app in found["applications"]] == [
        ("qwen3-8b", "/pools/qwen3-8b"),
        ("qwen3-0.6b", "/pools/qwen3-0.6b"),
    ]


def test_it_is_json_and_serve_takes_it() -> None:
    schema = pytest.importorskip("ray.serve.schema")
    text = json.dumps(config(pool(), pool("pocket-dense", "cpu")))
    assert schema.ServeDeploySchema.model_validate_json(text).applications[0].name == "qwen3-8b"


def test_every_listener_is_where_the_proxy_is() -> None:
    found = config(pool(), proxy=Proxy("127.0.0.1", 8123))
    assert found["http_options"] == {"host": "127.0.0.1", "port": 8123}


def test_a_leaving_replica_may_finish_the_longest_answer() -> None:
    assert deployment(config(pool()))["graceful_shutdown_timeout_s"] == 1800.0


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        pytest.param(3, {"num_replicas": 3}, id="fixed"),
        pytest.param(
            Replicas(min=1, max=4),
            {
                "autoscaling_config": {
                    "min_replicas": 1,
                    "max_replicas": 4,
                    "target_ongoing_requests": 32,
                }
            },
            id="bounds",
        ),
    ],
)
def test_replicas_are_a_number_or_scaled_on_requests(
    replicas: int | Replicas, expected: dict[str, Any]
) -> None:
    found = deployment(config(pool(replicas=replicas)))
    assert {k: v for k, v in found.items() if k in ("num_replicas", "autoscaling_config")} == (
        expected
    )


@pytest.mark.parametrize(
    ("kind", "size", "bundles", "cpus"),
    [
        pytest.param("cpu", 2, [{"CPU": 1}, {"CPU": 1}], 0, id="cpu"),
        pytest.param("unheard-24g", 1, [{"GPU": 1, "CPU": 1}], 1, id="any GPU"),
        pytest.param(
            "h100-80g",
            2,
            [
                {"GPU": 1, "accelerator_type:H100": 0.001, "CPU": 1},
                {"GPU": 1, "accelerator_type:H100": 0.001},
            ],
            1,
            id="a kind of GPU",
        ),
    ],
)
def test_each_worker_has_a_bundle_and_the_replica_stands_in_the_first(
    kind: str, size: int, bundles: list[dict[str, float]], cpus: int
) -> None:
    found = deployment(config(pool(kind=kind, tensorParallelSize=size)))
    assert found["placement_group_bundles"] == bundles
    assert found["ray_actor_options"] == {"num_cpus": cpus}


def test_it_holds_no_token() -> None:
    assert "token" not in json.dumps(config(pool(), pool("pocket-moe", "cpu"))).lower()
