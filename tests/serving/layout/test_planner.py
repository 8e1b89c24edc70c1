from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.layout import Demand, Nodes, Plan, Precision, Sizes, plan
from serving.layout.gpus import KINDS
from serving.sizes import GIB
from tests.serving.layout.asked import demand, facts

MODELS = ("qwen3-0.6b", "qwen3-4b", "qwen3-14b", "qwen3-32b", "qwen3-30b-a3b", "qwen3-235b-a22b")
DEMANDS = st.builds(
    Demand,
    model=st.sampled_from([facts(name) for name in MODELS]),
    precision=st.sampled_from(list(Precision)),
    nodes=st.builds(
        Nodes,
        kind=st.sampled_from(list(KINDS.values())),
        per_node=st.sampled_from([1, 2, 4, 6, 8]),
        nodes=st.integers(1, 3),
    ),
    context=st.none() | st.integers(256, 140_000),
    concurrency=st.none() | st.integers(1, 500),
)


@given(DEMANDS)
@settings(max_examples=60, deadline=None)
def test_memory_adds_up_and_fits(asked):
    for layout in plan(asked).layouts:
        memory = layout.memory
        assert memory.used == sum(memory.lines().values()) <= asked.nodes.kind.memory
        assert min(memory.lines().values()) >= 0
        assert layout.requests >= 1
        assert layout.kv_tokens >= layout.requests * asked.asked_context


@given(DEMANDS)
@settings(max_examples=60, deadline=None)
def test_every_rank_is_placed_once_and_no_tensor_group_crosses_a_node(asked):
    for layout in plan(asked).layouts:
        ranks = [rank for node in layout.placement for rank in node]
        assert len(layout.placement) == asked.nodes.nodes
        assert len({(rank.node, rank.gpu) for rank in ranks}) == len(ranks)
        assert all(rank.gpu < asked.nodes.per_node for rank in ranks)
        assert all(rank.node == at for at, node in enumerate(layout.placement) for rank in node)
        seen = {(r.replica, r.data, r.pipeline, r.tensor) for r in ranks}
        assert len(seen) == len(ranks) == layout.replicas * layout.sizes.gpus
        groups = {(r.replica, r.data, r.pipeline, r.node) for r in ranks}
        assert len(groups) * layout.sizes.tensor == len(ranks)
        engines = {(r.replica, r.data, r.node) for r in ranks}
        if layout.strategy == "STRICT_PACK":
            assert len(engines) == layout.replicas * layout.sizes.data


@given(DEMANDS)
@settings(max_examples=40, deadline=None)
def test_every_layer_and_expert_of_a_replica_is_on_some_rank(asked):
    for layout in plan(asked).layouts:
        first = [r for node in layout.placement for r in node if r.replica == 0]
        everywhere = {(layer, expert) for r in first for layer in r.layers for expert in r.experts}
        assert len(everywhere) == asked.model.layers * asked.model.experts
        assert {layer for r in first for layer in r.layers} == set(range(asked.model.layers))


@given(DEMANDS, st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_more_memory_never_makes_a_layout_vanish(asked, more_gib):
    kind = replace(asked.nodes.kind, memory=asked.nodes.kind.memory + more_gib * GIB)
    roomier = replace(asked, nodes=replace(asked.nodes, kind=kind))
    before = {layout.sizes for layout in plan(asked).layouts}
    assert before <= {layout.sizes for layout in plan(roomier).layouts}


@pytest.mark.parametrize("context", [32_768, 40_960])
def test_not_even_where_vllms_default_batch_grows_with_the_memory(context):
    """At 70 GiB it goes from 2,048 tokens to 8,192, whose activations take gigabytes."""
    asked = demand("qwen3-235b-a22b", "fp8", per_node=4, context=context)
    sizes = Sizes(tensor=2, data=2, expert=True)
    for memory in (69.9, 70.1):
        kind = replace(asked.nodes.kind, memory=int(memory * GIB))
        layouts = plan(replace(asked, nodes=replace(asked.nodes, kind=kind))).layouts
        found = next(layout for layout in layouts if layout.sizes == sizes)
        assert found.engine_args["max_num_batched_tokens"] < 8192


@given(DEMANDS)
@settings(max_examples=60, deadline=None)
def test_a_plan_is_either_feasible_or_says_why_not(asked):
    answer = plan(asked)
    assert answer.feasible == bool(answer.layouts)
    assert answer.why


def best(answer: Plan) -> Sizes:
    return answer.layouts[0].sizes


def test_the_235b_in_fp8_fits_on_eight_h100_with_whole_experts_on_each_rank():
    answer = plan(demand("qwen3-235b-a22b", "fp8", context=32_768))
    assert answer.feasible
    assert all(
        layout.sizes.expert or layout.sizes.tensor * layout.sizes.data <= 4
        for layout in answer.layouts
    )
    layout = answer.layouts[0]
    assert layout.engine_args == {
        "tensor_parallel_size": layout.sizes.tensor,
        "pipeline_parallel_size": layout.sizes.pipeline,
        "data_parallel_size": layout.sizes.data,
        "enable_expert_parallel": layout.sizes.expert,
        "max_model_len": 32_768,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
        "gpu_memory_utilization": 0.92,
        "dtype": "bfloat16",
        "quantization": "fp8",
    }


@pytest.mark.parametrize(
    ("asked", "why", "nearest"),
    [
        pytest.param(
            demand("qwen3-235b-a22b", per_node=4),
            "vLLM may use 0.92 x 79.1 GiB = 72.8 GiB",
            "precision fp8; or 1 node of 8 x h100-80g",
            id="too few GPUs",
        ),
        pytest.param(
            demand("qwen3-32b", gpu="h100-80g", per_node=1, context=131_072),
            "GiB of KV cache for one request",
            "a context of ",
            id="too long",
        ),
        pytest.param(
            demand("qwen3-0.6b", context=65_536),
            "no YaRN is published",
            "a context of 40,960",
            id="out of reach",
        ),
        pytest.param(
            demand("pocket-dense", "fp8"),
            "64 key and value columns a rank / 128 is not a whole number",
            None,
            id="does not divide",
        ),
    ],
)
def test_a_refusal_has_its_arithmetic_and_the_nearest_thing_that_can(asked, why, nearest):
    answer = plan(asked)
    assert not answer.feasible
    assert why in answer.why
    assert (answer.nearest or "").startswith(nearest or "")


def test_the_nearest_context_can_run():
    asked = demand("qwen3-32b", per_node=1, context=131_072)
    nearest = plan(asked).nearest or ""
    context = int(nearest.split(";")[0].removeprefix("a context of ").replace(",", ""))
    assert plan(replace(asked, context=context)).feasible
    assert not plan(replace(asked, context=context + 1024)).feasible


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(demand("qwen3-8b", "fp8", "a100-80g"), "no FP8 arithmetic", id="ampere"),
        pytest.param(demand("qwen3-0.6b", "awq"), "publishes no awq checkpoint", id="no awq"),
        pytest.param(demand("qwen3-8b", context=131_072), "YaRN with factor 4", id="yarn"),
        pytest.param(
            demand("qwen3-32b", per_node=1, context=32_768, concurrency=50),
            "no layout holds the 50 requests of 32,768 tokens",
            id="concurrency",
        ),
        pytest.param(demand("qwen3-32b", gpu="l4-24g"), "no NVLink", id="pcie"),
    ],
)
def test_what_an_operator_should_know_is_said(asked, said):
    answer = plan(asked)
    assert answer.feasible
    assert any(said in warning for warning in answer.warnings), answer.warnings


def test_yarn_reaches_the_engine():
    layout = plan(demand("qwen3-8b", context=131_072)).layouts[0]
    assert layout.engine_args["hf_overrides"]["rope_parameters"]["factor"] == 4.0
    assert layout.engine_args["max_model_len"] == 131_072


@pytest.mark.parametrize(
    ("sizes", "bundles", "strategy"),
    [
        (Sizes(tensor=8), 8, "STRICT_PACK"),
        (Sizes(tensor=8, pipeline=2), 16, "PACK"),
        (Sizes(tensor=4, data=4, expert=True), 4, "PACK"),
    ],
    ids=["one node", "two nodes", "data parallel"],
)
def test_a_placement_group_has_a_bundle_for_each_gpu_of_an_engine(sizes, bundles, strategy):
    layouts = plan(demand("qwen3-235b-a22b", nodes=2)).layouts
    found = next(layout for layout in layouts if layout.sizes == sizes)
    assert found.bundles == ({"CPU": 1.0, "GPU": 1.0},) * bundles
    assert found.strategy == strategy


def test_the_longer_stage_of_an_uneven_pipeline_counts():
    """94 layers on 4 stages are 23, 24, 24, 23."""
    layouts = plan(demand("qwen3-235b-a22b", "fp8", nodes=4)).layouts
    found = next(one for one in layouts if one.sizes == Sizes(tensor=8, pipeline=4, expert=True))
    a_token = 2 * 24 * 128 * 2
    assert found.memory.kv_cache == found.kv_tokens * a_token


def test_sixteen_nodes_are_planned_in_seconds():
    assert plan(demand("qwen3-235b-a22b", "fp8", nodes=16)).feasible
