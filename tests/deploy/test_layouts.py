"""Pools on GPUs are cut as the planner has it, or refused with its arithmetic."""

from typing import Any

import pytest
from pydantic import ValidationError

from deploy.config import Cluster
from deploy.local.pools import pools_of
from serving.config import LayoutSpec

BIG = {"kind": "h100-80g", "perNode": 8}
L40S = {"kind": "l40s-48g", "nodes": 3}
AMD = {"kind": "mi300x-192g", "perNode": 8}
GIANT = {"on": "big", "precision": "fp8"}


def cluster(models: dict[str, Any], **gpus: dict[str, Any]) -> Cluster:
    return Cluster.model_validate({"gpus": gpus or {"big": BIG}, "models": models})


def layouts(found: Cluster) -> dict[str, LayoutSpec]:
    return {pool.name: pool.layout for pool in pools_of(found)}


def test_a_model_that_has_its_gpus_for_itself_takes_the_layout_that_is_planned_first():
    assert layouts(cluster({"qwen3-235b-a22b": GIANT})) == {
        "qwen3-235b-a22b": LayoutSpec(tensor=4, data=2, expert=True)
    }


@pytest.mark.parametrize(
    ("replicas", "tensor"),
    [
        pytest.param(1, 8, id="one takes all"),
        pytest.param(2, 4, id="each of two half of them"),
        pytest.param(4, 2, id="each of four two"),
        pytest.param(3, 2, id="of three, two rather than one"),
        pytest.param(8, 1, id="each of eight one"),
    ],
)
def test_a_small_model_uses_its_gpus_by_the_replicas_that_are_asked_for(replicas: int, tensor: int):
    found = layouts(cluster({"qwen3-8b": {"on": "big", "replicas": replicas}}))
    assert found == {"qwen3-8b": LayoutSpec(tensor=tensor)}


@pytest.mark.parametrize(
    ("replicas", "layout"),
    [
        pytest.param({"min": 1, "max": 2}, LayoutSpec(), id="two at most, of three GPUs"),
        pytest.param({"min": 0, "max": 1}, LayoutSpec(pipeline=3), id="one that sleeps takes all"),
    ],
)
def test_a_pool_that_is_scaled_is_cut_so_that_it_can_grow(
    replicas: dict[str, int], layout: LayoutSpec
):
    found = layouts(cluster({"qwen3-8b": {"on": "l40s", "replicas": replicas}}, l40s=L40S))
    assert found == {"qwen3-8b": layout}


def test_pools_that_grow_one_at_a_time_share_what_is_left():
    grows = {"on": "l40s", "replicas": {"min": 1, "max": 2}}
    assert cluster({"qwen3-8b": grows, "qwen3-4b": grows}, l40s=L40S)


def test_models_that_share_gpus_take_as_few_as_they_can():
    found = layouts(cluster({"qwen3-235b-a22b": GIANT, "qwen3-0.6b": {"on": "big"}}))
    assert found["qwen3-235b-a22b"].ranks == 4
    assert found["qwen3-0.6b"].ranks == 1


def test_two_replicas_of_the_giant_leave_each_half_of_the_gpus():
    assert (
        layouts(cluster({"qwen3-235b-a22b": GIANT | {"replicas": 2}}))["qwen3-235b-a22b"].ranks == 4
    )


def test_a_pool_gets_the_engine_arguments_that_its_memory_was_proven_with():
    model = GIANT | {"context": 131_072, "engine": {"max_num_seqs": 32}}
    (pool,) = pools_of(cluster({"qwen3-235b-a22b": model}))
    assert pool.spec.engine["gpu_memory_utilization"] == 0.92
    assert pool.spec.engine["max_num_seqs"] == 32, "the file's own argument wins"
    assert pool.spec.engine["hf_overrides"]["rope_parameters"]["factor"] == 4.0


def test_the_proof_counts_with_the_files_own_share_of_the_memory():
    """Half of it does not even hold the weights."""
    model = GIANT | {"layout": {"tensor": 4, "expert": True}}
    (pool,) = pools_of(
        cluster({"qwen3-235b-a22b": model | {"engine": {"gpu_memory_utilization": 0.9}}})
    )
    assert pool.spec.engine["gpu_memory_utilization"] == 0.9
    with pytest.raises(ValidationError, match=r"layout: .*vLLM may use 0.5 x 79.1 GiB = 39.5 GiB"):
        cluster({"qwen3-235b-a22b": model | {"engine": {"gpu_memory_utilization": 0.5}}})


@pytest.mark.parametrize("share", [0, 1.5, "half", True])
def test_a_share_of_the_memory_is_one(share: Any):
    wrong = GIANT | {"engine": {"gpu_memory_utilization": share}}
    with pytest.raises(ValidationError, match="allowed: a number above 0 and up to 1"):
        cluster({"qwen3-235b-a22b": wrong})


def test_a_model_beside_others_uses_what_they_leave_on_each_node():
    """Of 2 nodes of 6 GPUs, one for 4 + 2 and one for 4 + 1."""
    gpu = {"kind": "h100-80g", "perNode": 6, "nodes": 2}
    models = {
        "qwen3-32b": {"on": "six", "layout": {"tensor": 4}, "replicas": 2},
        "qwen3-8b": {"on": "six", "layout": {"tensor": 2}},
        "qwen3-0.6b": {"on": "six", "layout": {"tensor": 1}},
    }
    assert len(pools_of(cluster(models, six=gpu))) == 3


def test_a_layout_of_the_file_stands():
    model = GIANT | {"layout": {"tensor": 4, "pipeline": 2}}
    assert layouts(cluster({"qwen3-235b-a22b": model}))["qwen3-235b-a22b"] == LayoutSpec(
        tensor=4, pipeline=2
    )


def test_gpus_of_which_the_memory_alone_is_known_are_the_files_to_use():
    """One each where it says nothing."""
    models = {"qwen3-8b": {"on": "amd"}, "qwen3-235b-a22b": {"on": "amd", "layout": {"tensor": 4}}}
    found = cluster(models, amd=AMD)
    assert layouts(found) == {"qwen3-8b": LayoutSpec(), "qwen3-235b-a22b": LayoutSpec(tensor=4)}
    assert all("max_num_seqs" in pool.spec.engine for pool in pools_of(found)), "as it was proven"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        pytest.param(
            {},
            r"layout: one GPU, as none is written: .*437.9 GiB of weights.*0.92 x 178.8 GiB.*"
            r"Of mi300x-192g the planner knows the memory alone, so the layout is yours to write. "
            r"What fits: TP 4",
            id="none is written",
        ),
        pytest.param({"layout": {"tensor": 2}}, r"layout: as written: .*GiB of weights", id="two"),
        pytest.param({"layout": {"tensor": 3}}, r"64 query heads / 3 ranks", id="no division"),
        pytest.param(
            {"layout": {"tensor": 8}, "replicas": 2},
            r"gpus\.amd: its models need 16 GPUs \(qwen3-235b-a22b 2 x 8\); it has 8",
            id="more than there are",
        ),
    ],
)
def test_what_does_not_fit_into_the_memory_that_a_gpu_is_named_by_is_refused(
    model: dict[str, Any], told: str
):
    with pytest.raises(ValidationError, match=told):
        cluster({"qwen3-235b-a22b": {"on": "amd", **model}}, amd=AMD)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        pytest.param(
            {"qwen3-235b-a22b": {"on": "big"}, "qwen3-32b": {"on": "big"}},
            r"gpus\.big: its models need \d+ GPUs \(qwen3-235b-a22b 1 x 8, .*it has 8",
            id="more than there are",
        ),
        pytest.param(
            {"qwen3-235b-a22b": GIANT | {"layout": {"tensor": 3}}},
            r"layout: 64 query heads / 3 ranks = 21.33",
            id="what does not divide",
        ),
        pytest.param(
            {"qwen3-235b-a22b": GIANT | {"layout": {"tensor": 2}}},
            r"layout: .*GiB of weights",
            id="what does not fit",
        ),
        pytest.param(
            {"qwen3-235b-a22b": GIANT | {"replicas": 3}},
            r"replicas: found 3; big holds at most 2, each on 4 of its 8 GPUs",
            id="more replicas than there is room for",
        ),
        pytest.param(
            {"qwen3-235b-a22b": GIANT | {"replicas": {"min": 1, "max": 3}}},
            r"replicas: found 3; big holds at most 2",
            id="more replicas than it could ever have",
        ),
        pytest.param(
            {
                "qwen3-235b-a22b": GIANT | {"replicas": {"min": 1, "max": 2}},
                "qwen3-8b": {"on": "big", "replicas": {"min": 1, "max": 2}},
            },
            r"gpus\.big: its models need 9 GPUs \(qwen3-235b-a22b 2 x 4, qwen3-8b 1 x 1, "
            r"with qwen3-235b-a22b at its max\); it has 8",
            id="one that could not grow beside the other",
        ),
        pytest.param(
            {"qwen3-235b-a22b": GIANT | {"layout": {"tensor": 8, "pipeline": 2}}},
            r"layout: a replica takes 16 GPUs, and the nodes have 1 x 8",
            id="more GPUs than the nodes have",
        ),
        pytest.param(
            {"qwen3-0.6b": {"on": "big", "context": 131_072}},
            r"models\.qwen3-0\.6b: ",
            id="a context that the model does not have",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_the_arithmetic(models: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=told):
        cluster(models)


@pytest.mark.parametrize(
    ("layout", "replicas"),
    [
        pytest.param({"tensor": 4}, 5, id="tensor ranks"),
        pytest.param({"tensor": 2, "pipeline": 2}, 5, id="an engine that fits into a node"),
    ],
)
def test_gpus_that_are_left_on_different_nodes_are_not_room_for_what_must_be_together(
    layout: dict[str, int], replicas: int
):
    """20 of 24 GPUs: each node has two that nobody can use."""
    gpu = {"kind": "h100-80g", "perNode": 6, "nodes": 4}
    model = {"on": "six", "layout": layout, "replicas": replicas}
    told = (
        r"gpus.six: its models \(qwen3-32b 5 x 4\) do not fit on 4 nodes of 6 GPUs: qwen3-32b "
        r"needs 4 together on one, and beside the others no node has more than 2 left"
    )
    with pytest.raises(ValidationError, match=told):
        cluster({"qwen3-32b": model}, six=gpu)
    cluster({"qwen3-32b": model | {"replicas": 4}}, six=gpu)


@pytest.mark.parametrize("kind", ["cpu", "h100-80g", "mi300x-192g"])
def test_more_ranks_than_gpus_are_refused_once(kind: str):
    model = {"on": "few", "layout": {"tensor": 2, "pipeline": 2}}
    with pytest.raises(ValidationError) as refused:
        cluster({"qwen3-0.6b": model}, few={"kind": kind, "perNode": 2})
    assert str(refused.value).count("models.qwen3-0.6b") == 1
