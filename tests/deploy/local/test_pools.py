"""The cluster file's models as pools."""

from typing import Any

import pytest

from deploy import pocket
from deploy.config import Cluster
from deploy.local.pools import pools_of
from serving.pools.weights import Wanted


def cluster(**models: dict[str, Any]) -> Cluster:
    gpus = {"cpu": {"kind": "cpu"}, "big": {"kind": "h100-80g"}}
    named = {name.replace("_", "-"): spec for name, spec in models.items()}
    return Cluster.model_validate({"gpus": gpus, "models": named})


@pytest.mark.parametrize(
    ("models", "source"),
    [
        pytest.param(
            {"pocket_moe": {"on": "cpu"}}, str(pocket.folder("pocket-moe")), id="pocket model"
        ),
        pytest.param(
            {"mine": {"on": "cpu", "like": "pocket-moe", "source": "/w/mine"}},
            "/w/mine",
            id="like a pocket model",
        ),
        pytest.param(
            {"pocket_moe": {"on": "cpu", "source": "/w/moe"}}, "/w/moe", id="folder in the file"
        ),
        pytest.param(
            {"qwen3_8b": {"on": "big", "precision": "fp8"}},
            "hf://Qwen/Qwen3-8B-FP8@main",
            id="hub",
        ),
        pytest.param(
            {"qwen3_8b": {"on": "big", "source": "ms://acme/8b", "revision": "v2"}},
            "ms://acme/8b@v2",
            id="another hub and revision",
        ),
    ],
)
def test_the_source_is_found(models: dict[str, Any], source: str) -> None:
    (pool,) = pools_of(cluster(**models))
    assert pool.source == source
    assert (pool.weights is None) == source.startswith("/")


def test_what_is_fetched_comes_from_the_files_hub_into_its_folder() -> None:
    found = Cluster.model_validate(
        {
            "gpus": {"big": {"kind": "h100-80g"}},
            "models": {"qwen3-8b": {"on": "big", "revision": "a" * 40}},
            "weights": {"hub": "ms", "address": "https://hub.example", "folder": "/data"},
        }
    )
    (pool,) = pools_of(found)
    assert pool.weights == Wanted(
        f"ms://Qwen/Qwen3-8B@{'a' * 40}",
        {
            "HF_HUB_OFFLINE": "0",
            "BIFOCAL_WEIGHTS": "/data",
            "MODELSCOPE_DOMAIN": "https://hub.example",
        },
    )


def test_what_somebody_else_runs_is_not_deployed() -> None:
    targets = {"on": "cpu", "targets": ["http://10.0.0.1:8000"]}
    found = pools_of(cluster(pocket_dense=targets, pocket_moe={"on": "cpu"}))
    assert [pool.name for pool in found] == ["pocket-moe"]


def test_the_hardware_is_that_of_its_nodes() -> None:
    found = {pool.name: pool for pool in pools_of(cluster(
        pocket_dense={"on": "cpu"}, qwen3_8b={"on": "big"}
    ))}  # fmt: skip
    assert found["pocket-dense"].hardware.cpu  # type: ignore[index]
    assert found["qwen3-8b"].hardware.accelerator == "H100"  # type: ignore[index]


def test_what_tells_a_group_from_others_goes_with_it() -> None:
    nodes = {"kind": "h100-80g", "perNode": 8, "nodes": 2, "labels": {"zone": "b"}}
    gpus = {"big": nodes | {"network": {"interface": "eth1"}}}
    found = pools_of(Cluster.model_validate({"gpus": gpus, "models": {"qwen3-8b": {"on": "big"}}}))[
        0
    ].hardware
    assert (found.per_node, found.nodes, found.labels) == (8, 2, {"zone": "b"})
    assert found.network["GLOO_SOCKET_IFNAME"] == "eth1"
