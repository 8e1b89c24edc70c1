"""Which layout comes first: as inference engineers would cut it, and by rules that always hold."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from serving.layout import Load, Sizes, plan
from serving.layout.ranking import ALIKE
from tests.serving.layout.asked import demand
from tests.serving.layout.test_planner import DEMANDS

ONE = Sizes()


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        pytest.param(demand("qwen3-0.6b"), ONE, id="0.6B"),
        pytest.param(demand("qwen3-4b"), ONE, id="4B"),
        pytest.param(demand("qwen3-8b"), ONE, id="8B"),
        pytest.param(demand("qwen3-8b", "fp8"), ONE, id="8B in FP8"),
        pytest.param(demand("qwen3-8b", nodes=4), ONE, id="8B on four nodes"),
        pytest.param(demand("qwen3-8b", gpu="h200-141g"), ONE, id="8B on H200"),
        pytest.param(demand("qwen3-14b", "fp8"), ONE, id="14B in FP8"),
        pytest.param(demand("qwen3-32b", "fp8"), Sizes(tensor=2), id="32B in FP8"),
        pytest.param(demand("qwen3-32b"), Sizes(tensor=4), id="32B, 61 GiB of weights"),
        pytest.param(
            demand("qwen3-235b-a22b", "fp8"),
            Sizes(tensor=4, data=2, expert=True),
            id="235B in FP8 on a node",
        ),
        pytest.param(
            demand("qwen3-235b-a22b", "fp8", nodes=4),
            Sizes(tensor=4, data=2, expert=True),
            id="235B in FP8: a replica on each node, nothing over the network",
        ),
    ],
)
def test_small_models_are_replicated_and_large_ones_cut_no_further_than_they_need(asked, first):
    layouts = plan(asked).layouts
    assert layouts[0].sizes == first
    assert layouts[0].replicas == asked.nodes.gpus // first.gpus


def test_the_quickest_for_one_request_is_named_beside_it():
    found = plan(demand("qwen3-8b"))
    assert found.quickest is not None
    assert found.quickest.sizes == Sizes(tensor=8)
    assert found.quickest.estimate.latency_s < found.layouts[0].estimate.latency_s / 2


def test_a_promise_that_few_gpus_cannot_keep_cuts_further():
    """One GPU reads 15 GiB of weights in more than 5 ms; eight do it in less than 1."""
    hurried = replace(demand("qwen3-8b"), load=Load(tpot_s=0.005))
    found = plan(hurried)
    assert found.layouts[0].sizes.tensor > 1
    assert found.layouts[0].estimate.keeps_promise
    last = next(layout for layout in found.layouts if layout.sizes == ONE)
    assert not last.estimate.keeps_promise
    assert found.layouts.index(last) > 0


def test_a_promise_that_none_keeps_is_a_warning():
    found = plan(replace(demand("qwen3-8b", gpu="l4-24g"), load=Load(tpot_s=0.001)))
    assert found.feasible
    assert any("no layout keeps 1 ms a token" in said for said in found.warnings)


def test_what_holds_the_concurrency_comes_first():
    asked = demand("qwen3-8b", context=32_768, concurrency=100)
    found = plan(asked)
    held = [layout.held >= 100 for layout in found.layouts]
    assert found.holds_concurrency
    assert held[0]
    assert held == sorted(held, reverse=True)
    assert found.layouts[0].sizes == Sizes(tensor=2), "eight GPUs hold 8 x 12 requests apart"
    assert found.nearest is None


def test_what_no_layout_holds_is_a_warning_with_the_arithmetic_and_what_would():
    asked = demand("qwen3-8b", context=32_768, concurrency=640)
    found = plan(asked)
    assert found.feasible
    assert not found.holds_concurrency
    most = max(layout.held for layout in found.layouts)
    (said,) = [warning for warning in found.warnings if "640 requests" in warning]
    assert "take 20,971,520 tokens of KV cache" in said
    assert f"= {most} with" in said
    context, nodes = (found.nearest or "").split("; or ")
    shorter = int(context.removeprefix("a context of ").replace(",", ""))
    assert plan(replace(asked, context=shorter)).holds_concurrency
    more = int(nodes.split()[0])
    assert plan(replace(asked, nodes=replace(asked.nodes, nodes=more))).holds_concurrency


def test_an_engine_runs_no_more_at_once_than_it_is_told():
    """The cache has room for 8 x 6,000 of these, and no engine is told to take more than 1,024."""
    found = plan(demand("qwen3-0.6b", context=256, concurrency=20_000))
    assert not found.holds_concurrency
    first = found.layouts[0]
    assert first.held == first.replicas * first.engine_args["max_num_seqs"] < 20_000


@given(DEMANDS)
@settings(max_examples=60, deadline=None)
def test_none_stands_behind_one_that_is_worse_by_more_than_is_alike(asked):
    layouts = plan(asked).layouts
    for place, one in enumerate(layouts):
        for other in layouts[place + 1 :]:
            better = (
                one.held >= (asked.concurrency or 1),
                one.estimate.keeps_promise,
            )
            worse = (other.held >= (asked.concurrency or 1), other.estimate.keeps_promise)
            assert better >= worse
            if better == worse:
                assert one.estimate.tokens_per_s * ALIKE >= other.estimate.tokens_per_s * 0.999
