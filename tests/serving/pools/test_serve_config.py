"""All pools as Serve's declarative text."""

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest

from serving.catalog import CATALOG
from serving.config import ModelSpec, Replicas
from serving.pools.engine import Hardware, Pool
from serving.pools.serve_config import DEPLOYMENT, Proxy, serve_config
from serving.pools.weights import Wanted
from serving.values import ModelName


def config(*pools: Pool, **changes: Any) -> dict[str, Any]:
    given = {"proxy": Proxy("127.0.0.1", 8100), "longest_answer_s": 1800.0, "cache": "/cache"}
    return serve_config(pools, **{**given, **changes})


def pool(name: str = "qwen3-8b", kind: str = "h100-80g", **given: Any) -> Pool:
    model = ModelName(name)
    nodes = {key: given.pop(key) for key in ("per_node", "nodes", "labels") if key in given}
    spec = ModelSpec.model_validate({"on": "nodes", **given})
    return Pool(model, spec, CATALOG[model], Hardware.of(kind, **nodes), "/models")


def deployment(found: dict[str, Any]) -> dict[str, Any]:
    """Serve's options for the pool: of the application, and what is put over them."""
    (application,) = found["applications"]
    (over,) = application["deployments"]
    assert over["name"] == DEPLOYMENT
    options: dict[str, Any] = application["args"]["deployment"] | over
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


def test_one_replica_more_is_asked_for_where_there_is_room_and_serve_takes_it() -> None:
    schema = pytest.importorskip("ray.serve.schema")
    pools = pool("qwen3-8b", replicas={"min": 1, "max": 3}), pool("qwen3-0.6b")
    found = config(*pools, surging={"qwen3-8b"})
    (more,), (none,) = (application["deployments"] for application in found["applications"])
    assert "max_surge_percent" not in none
    taken = schema.ServeDeploySchema.model_validate(found).applications[0].deployments[0]
    percent = taken.max_surge_percent
    assert percent == more["max_surge_percent"]
    for replicas in (1, 2, 100):  # as Serve rounds it
        assert (percent * replicas + 99) // 100 == 1


def test_serve_lays_it_over_the_deployment_that_the_application_is_built_of() -> None:
    """Serve's own code, without a cluster: what is beside the arguments reaches its plan."""
    state = pytest.importorskip("ray.serve._private.application_state")
    schema = importlib.import_module("ray.serve.schema")
    info = importlib.import_module("ray.serve._private.deployment_info").DeploymentInfo
    configs = importlib.import_module("ray.serve._private.config")
    built = info(
        deployment_config=configs.DeploymentConfig(),
        replica_config=configs.ReplicaConfig.create(lambda: None),
        start_time_ms=0,
        deployer_job_id="",
    )
    (application,) = config(pool(), surging={"qwen3-8b"})["applications"]
    asked = schema.ServeApplicationSchema(**application)
    laid = state.override_deployment_info({DEPLOYMENT: built}, asked)[DEPLOYMENT]
    assert built.deployment_config.max_surge_percent == 0
    assert laid.deployment_config.max_surge_percent == 1


def test_what_is_to_be_fetched_goes_with_who_can_have_it_fetched() -> None:
    folder = pool()
    hub = replace(folder, source="hf://a/b@main", weights=Wanted("hf://a/b@main", {"X": "1"}))
    of_hub, of_folder = config(hub, folder, builder="some:builder")["applications"]
    assert of_hub["args"]["weights"] == {"source": "hf://a/b@main", "env": {"X": "1"}}
    assert "weights" not in of_folder["args"]
    assert of_hub["import_path"] == of_folder["import_path"] == "some:builder"


def test_every_listener_is_where_the_proxy_is() -> None:
    found = config(pool(), proxy=Proxy("127.0.0.1", 8123))
    assert found["http_options"] == {"host": "127.0.0.1", "port": 8123}


@pytest.mark.parametrize(
    ("everywhere", "place"),
    [
        pytest.param(False, "HeadOnly", id="a laptop"),
        pytest.param(True, "EveryNode", id="KubeRay"),
    ],
)
def test_a_node_has_a_proxy_where_something_looks_for_it(everywhere: bool, place: str) -> None:
    found = config(pool(), proxy=Proxy("0.0.0.0", 8000, everywhere=everywhere))
    assert found["proxy_location"] == place


def test_a_leaving_replica_may_finish_the_longest_answer() -> None:
    assert deployment(config(pool()))["graceful_shutdown_timeout_s"] == 1800.0


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        pytest.param(3, {"num_replicas": 3}, id="fixed"),
        pytest.param(
            Replicas(min=1, max=4),
            {
                "num_replicas": None,
                "autoscaling_config": {
                    "min_replicas": 1,
                    "max_replicas": 4,
                    "target_ongoing_requests": 32,
                },
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
        pytest.param("unheard-24g", 1, [{"CPU": 1, "GPU": 1}], 1, id="any GPU"),
        pytest.param(
            "h100-80g",
            2,
            [{"CPU": 1, "GPU": 1, "accelerator_type:H100": 0.001}] * 2,
            1,
            id="a kind of GPU",
        ),
    ],
)
def test_each_worker_has_a_bundle_and_the_replica_stands_in_the_first(
    kind: str, size: int, bundles: list[dict[str, float]], cpus: int
) -> None:
    found = deployment(config(pool(kind=kind, layout={"tensor": size})))
    assert found["placement_group_bundles"] == bundles
    assert found["ray_actor_options"] == {"num_cpus": cpus}


@pytest.mark.parametrize(
    ("layout", "bundles", "strategy"),
    [
        pytest.param({"tensor": 8}, 8, "STRICT_PACK", id="a node"),
        pytest.param({"tensor": 2, "pipeline": 2}, 4, "STRICT_PACK", id="stages in a node"),
        pytest.param({"tensor": 8, "pipeline": 2}, 16, "PACK", id="stages on two nodes"),
        pytest.param({"tensor": 16}, 16, "PACK", id="cut over two nodes"),
    ],
)
def test_an_engine_that_fits_into_a_node_is_not_cut_by_the_network(
    layout: dict[str, Any], bundles: int, strategy: str
) -> None:
    found = deployment(config(pool("qwen3-235b-a22b", per_node=8, layout=layout)))
    assert len(found["placement_group_bundles"]) == bundles
    assert found["placement_group_strategy"] == strategy
    assert "gang_scheduling_config" not in found


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        pytest.param(2, {"num_replicas": 16}, id="fixed"),
        pytest.param({"min": 1, "max": 3}, {"min_replicas": 8, "max_replicas": 24}, id="bounds"),
    ],
)
def test_data_parallel_engines_start_together(replicas: Any, expected: dict[str, int]) -> None:
    layout = {"tensor": 2, "data": 8, "expert": True}
    moe = pool("qwen3-235b-a22b", per_node=8, nodes=2, layout=layout, replicas=replicas)
    found = deployment(config(moe))
    assert len(found["placement_group_bundles"]) == 2
    assert "placement_group_strategy" not in found  # Serve refuses it beside a gang's
    assert found["gang_scheduling_config"]["gang_size"] == 8
    assert expected.items() <= (found | found.get("autoscaling_config", {})).items()


def test_serve_takes_a_gang() -> None:
    serve = pytest.importorskip("ray.serve")
    moe = pool("qwen3-30b-a3b", layout={"data": 2, "expert": True}, labels={"zone": "b"})
    options = deployment(config(moe))
    made = serve.deployment(object, **options)
    assert made._deployment_config.gang_scheduling_config.gang_size == 2


def test_the_labels_of_a_group_are_asked_of_every_node() -> None:
    found = deployment(config(pool(labels={"zone": "b"}, layout={"tensor": 2})))
    assert found["placement_group_bundle_label_selector"] == [{"zone": "b"}]
    assert "placement_group_bundle_label_selector" not in deployment(config(pool()))


def test_it_holds_no_token() -> None:
    assert "token" not in json.dumps(config(pool(), pool("pocket-moe", "cpu"))).lower()


def test_a_replica_is_told_when_its_engine_is_stuck() -> None:
    found = config(pool(stuckAfter="90s"))
    assert found["applications"][0]["args"]["stuck_after_s"] == 90


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        pytest.param({}, True, id="the next one first, and a longest answer"),
        pytest.param({"replicas": 3}, True, id="more replicas"),
        pytest.param({"engine": {"max_num_seqs": 8}}, False, id="an engine's argument"),
        pytest.param({"env": {"A": "1"}}, False, id="its environment"),
        pytest.param({"stuckAfter": "9s"}, False, id="its patience"),
    ],
)
def test_only_another_engine_is_another_version_to_serve(
    changes: dict[str, Any], same: bool
) -> None:
    schema = pytest.importorskip("ray.serve.schema")
    versions = importlib.import_module("ray.serve._private.deploy_utils")
    before, after = (
        versions.get_app_code_version(schema.ServeApplicationSchema(**found["applications"][0]))
        for found in (
            config(pool()),
            config(pool(**changes), longest_answer_s=60.0, surging={"qwen3-8b"}),
        )
    )
    assert (before == after) is same
