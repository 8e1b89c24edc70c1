"""The roofline's arithmetic of a step, by hand."""

from dataclasses import replace

import pytest

from serving.catalog import CATALOG
from serving.layout import attainable
from serving.layout.exchange import between_stages, link, of_a_layer
from serving.layout.gpus import GpuKind, kind
from serving.layout.roofline import (
    attention,
    decode_step,
    experts,
    head,
    prefill_step,
    projections,
    touched_experts,
)
from serving.layout.values import Demand, Nodes, Precision, Sizes
from serving.values import ModelName

H100 = kind("h100-80g")
ONE = Sizes()
TP4_DP2 = Sizes(tensor=4, data=2, expert=True)


def demand(
    model: str = "qwen3-235b-a22b",
    precision: Precision = Precision.FP8,
    gpu: GpuKind = H100,
    nodes: int = 1,
    context: int | None = 32_768,
) -> Demand:
    return Demand(CATALOG[ModelName(model)], precision, Nodes(gpu, 8, nodes), context)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        pytest.param(0, 0.0, id="none"),
        pytest.param(1, 8.0, id="one token has its 8"),
        pytest.param(2, 15.5, id="two share 8 x 8 / 128 = 0.5 of them"),
        pytest.param(10_000, 128.0, id="a prompt needs all"),
    ],
)
def test_a_batch_touches_as_many_experts_as_chance_has_it(tokens: int, expected: float) -> None:
    assert touched_experts(demand(), tokens) == pytest.approx(expected)


def test_projections_of_a_dense_layer_by_hand() -> None:
    # Qwen3-8B: 4096 x (2 x 4096 + 2 x 1024) of attention, 3 x 4096 x 12288 of FFN.
    weights = 4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 12288
    part = projections(demand("qwen3-8b", Precision.BF16), ONE, decode_step(ONE, 1, 0))
    assert part.flops == 2 * weights
    assert part.bytes == pytest.approx(2 * weights, rel=0.001)
    assert part.limited_by == "memory"
    assert part.seconds == pytest.approx(2 * weights / (0.92 * 3.35e12), rel=0.001)


def test_attention_of_one_request_reads_its_keys_and_values_once() -> None:
    # 235B, TP 4: 16 query heads and 1 KV head a rank, 32,768 tokens behind it, 2 bytes each.
    part = attention(demand(), Sizes(tensor=4), decode_step(ONE, 1, 32_768))
    assert part.flops == 4 * 32_768 * 16 * 128
    assert part.bytes == pytest.approx(32_768 * 2 * 128 * 2, rel=0.001)
    assert part.limited_by == "memory"


def test_attention_of_a_prompt_is_the_causal_half_of_the_square() -> None:
    part = attention(demand(), Sizes(tensor=4), prefill_step(8192))
    assert part.flops == 4 * 8192 * 8192 / 2 * 16 * 128
    assert part.limited_by == "compute"


def test_experts_of_one_token_on_one_gpu_by_hand() -> None:
    # 30B: 8 experts of 3 x 2048 x 768, in bf16; 0.85 of the bandwidth and 30 us.
    one = demand("qwen3-30b-a3b", Precision.BF16)
    part = experts(one, ONE, decode_step(ONE, 1, 0))
    weights = 8 * 3 * 2048 * 768
    assert part.flops == 2 * weights
    assert part.bytes == pytest.approx(2 * weights, rel=0.01)
    assert part.seconds == pytest.approx(30e-6 + 2 * weights / (0.85 * 3.35e12), rel=0.01)


@pytest.mark.parametrize(
    ("tokens", "measured_us"),
    [(1, 40.44), (8, 118.64), (16, 164.64), (32, 210.07), (64, 237.26), (128, 247.67)],
)
def test_experts_agree_with_the_measurements_that_they_are_fitted_to(
    tokens: int, measured_us: float
) -> None:
    # vllm-project/vllm, pull request 24700: Qwen3-30B-A3B, TP 1, fp8_w8a8.
    part = experts(demand("qwen3-30b-a3b"), ONE, decode_step(ONE, tokens, 0))
    assert part.seconds * 1e6 == pytest.approx(measured_us, rel=0.15)


def test_whole_experts_on_each_rank_wait_for_the_fullest_rank() -> None:
    step = decode_step(TP4_DP2, 64, 0)
    even = experts(demand(), replace(TP4_DP2, expert=False), step)
    whole = experts(demand(), TP4_DP2, step)
    assert whole.flops > even.flops
    assert even.bytes < whole.bytes < even.bytes * 2


def test_the_head_is_never_quantised() -> None:
    step = decode_step(ONE, 1, 0)
    part = head(demand(), ONE, step)
    assert part.bytes == pytest.approx(2 * 151_936 * 4096, rel=0.001)
    assert part.seconds == head(demand(precision=Precision.BF16), ONE, step).seconds


@pytest.mark.parametrize(
    ("precision", "gpu", "flops"),
    [
        pytest.param(Precision.FP8, "h100-80g", 1979e12, id="FP8 where the GPU has it"),
        pytest.param(Precision.FP8, "a100-80g", 312e12, id="else in 16 bits"),
        pytest.param(Precision.AWQ, "h100-80g", 989e12, id="four bits in 16 bits"),
        pytest.param(Precision.FP32, "a100-80g", 19.5e12, id="32 bits without tensor cores"),
    ],
)
def test_what_weights_are_multiplied_at(precision: Precision, gpu: str, flops: float) -> None:
    assert attainable.gemm_flops(kind(gpu), precision) == flops


def test_a_layer_of_tensor_parallel_ranks_waits_for_two_all_reduces() -> None:
    # 64 tokens x 4096 x 2 bytes, 2 x 3/4 of them over NVLink at 0.82 of 450 GB/s, twice.
    sent = 2 * 3 / 4 * 64 * 4096 * 2
    expected = 2 * (6e-6 + sent / (0.82 * 450e9))
    assert of_a_layer(demand(), Sizes(tensor=4), 64, 64) == pytest.approx(expected)


def test_data_parallel_ranks_gather_and_scatter_instead_of_the_second() -> None:
    # 32 tokens a rank are reduced over 4; the 64 of both are gathered and scattered.
    reduce = 6e-6 + 2 * 3 / 4 * 32 * 4096 * 2 / (0.82 * 450e9)
    gather = 6e-6 + 1 / 2 * 64 * 4096 * 2 / (0.82 * 450e9)
    assert of_a_layer(demand(), TP4_DP2, 32, 64) == pytest.approx(reduce + 2 * gather)


def test_one_gpu_waits_for_nobody() -> None:
    assert of_a_layer(demand(), ONE, 64, 64) == between_stages(demand(), ONE, 64) == 0.0


@pytest.mark.parametrize(
    ("gpu", "span", "bytes_per_s"),
    [
        pytest.param("h100-80g", 8, 0.82 * 450e9, id="within the node, NVLink"),
        pytest.param("l4-24g", 8, 0.82 * 32e9, id="within the node, PCIe"),
        pytest.param("h100-80g", 9, 0.82 * 50e9, id="beyond it, the network"),
        pytest.param("a100-80g", 16, 0.82 * 25e9, id="an A100's network"),
        pytest.param("l4-24g", 16, 0.82 * 12.5e9, id="an L4's network"),
    ],
)
def test_a_group_is_as_fast_as_its_slowest_link(gpu: str, span: int, bytes_per_s: float) -> None:
    assert link(Nodes(kind(gpu), 8, 2), span).bytes_per_s == pytest.approx(bytes_per_s)
