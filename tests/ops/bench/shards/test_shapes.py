"""What one rank multiplies, by hand for the 235B on two nodes of 8 x H100."""

import pytest

from ops.bench.shards.shapes import (
    DECODE,
    PREFILL,
    Attention,
    Experts,
    Projections,
    cases,
    drawn,
    planned,
    smoke,
)
from serving.catalog import CATALOG
from serving.layout import Demand, Nodes, Precision, Sizes
from serving.layout.gpus import KINDS, kind
from serving.layout.roofline import touched_experts
from serving.values import ModelName

H100 = kind("h100-80g")
DEMAND = Demand(CATALOG[ModelName("qwen3-235b-a22b")], Precision.BF16, Nodes(H100, 8, 2))
SIZES = Sizes(tensor=4, data=4, expert=True)


def found(phase: str, tokens: int) -> dict[str, object]:
    return {
        case.part.name: case.shape
        for case in cases(DEMAND, SIZES)
        if (case.phase, case.tokens) == (phase, tokens)
    }


def test_a_decode_step_of_64_requests_on_one_of_four_data_ranks() -> None:
    shapes = found("decode", 64)
    # 16 of the requests, 64 / 4 query heads, one of the 4 KV heads.
    assert shapes["projections"] == Projections(16, 4096, 16 * 128, 128, 128)
    assert shapes["attention"] == Attention(16, 16, 1, 128, 1, 8192)


def test_a_prompt_is_on_one_data_rank_alone() -> None:
    shapes = found("prefill", 2048)
    assert shapes["projections"] == Projections(2048, 4096, 2048, 128, 128)
    assert shapes["attention"] == Attention(1, 16, 1, 128, 2048, 2048)


def test_a_rank_holds_an_eighth_of_the_experts_whole_when_sixteen_share_them() -> None:
    shape = drawn(DEMAND, SIZES, 8192)
    assert len(shape.rows) == 128 / 16
    assert (shape.hidden, shape.ffn) == (4096, 1536)
    # The mean is 8192 x 8 / 16 rows, and the fullest rank has a little more.
    assert 4096 <= sum(shape.rows) < 4096 * 1.1


def test_without_expert_parallelism_each_expert_is_cut() -> None:
    shape = drawn(DEMAND, Sizes(tensor=8), 64)
    assert shape.ffn == 1536 / 8
    assert sum(shape.rows) == 64 * 8
    assert len(shape.rows) == pytest.approx(touched_experts(DEMAND, 64), abs=3)


def test_a_draw_is_the_same_each_time_and_no_expert_without_rows_is_read() -> None:
    assert drawn(DEMAND, SIZES, 16) == drawn(DEMAND, SIZES, 16)
    assert min(drawn(DEMAND, SIZES, 16).rows) > 0


def test_every_part_is_measured_at_every_load() -> None:
    assert len(list(cases(DEMAND, SIZES))) == 3 * (len(DECODE) + len(PREFILL))


def test_a_prediction_is_the_rooflines_and_the_launches_of_its_kernels() -> None:
    for case in cases(DEMAND, SIZES):
        launches = {Projections: 3, Attention: 2, Experts: 0}[type(case.shape)]
        assert case.predicted_s == pytest.approx(case.part.seconds + launches * 2e-6)


@pytest.mark.parametrize(
    ("gpu", "nodes", "fits"),
    [("h100-80g", 2, True), ("h100-80g", 1, True), ("b200-180g", 1, True), ("l4-24g", 1, False)],
)
def test_the_shapes_are_of_the_planners_first_layout(gpu: str, nodes: int, fits: bool) -> None:
    chosen = planned(kind(gpu), nodes)
    assert (chosen is not None) is fits
    if chosen:
        demand, sizes = chosen
        assert demand.nodes.gpus % sizes.gpus == 0
        assert list(cases(demand, sizes))


@pytest.mark.parametrize("gpu", KINDS)
def test_the_smoke_run_needs_no_plan(gpu: str) -> None:
    demand, sizes = smoke(kind(gpu))
    shape = drawn(demand, sizes, 8)
    assert (shape.hidden, shape.ffn) == (128, 128)
