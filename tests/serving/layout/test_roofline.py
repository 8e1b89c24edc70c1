"""The roofline's arithmetic by hand, and what must hold for any numbers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.catalog import CATALOG
from serving.layout import attainable
from serving.layout.exchange import between_stages, link, of_a_layer
from serving.layout.gpus import KINDS, GpuKind, kind
from serving.layout.roofline import (
    PROMPT,
    attention,
    decode_step,
    estimate,
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
    concurrency: int | None = None,
) -> Demand:
    machines = Nodes(gpu, 8, nodes)
    return Demand(CATALOG[ModelName(model)], precision, machines, context, concurrency)


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


@pytest.mark.parametrize(
    ("model", "context", "measured_ms", "within"),
    [
        pytest.param("qwen3-1.7b", 1152, 4.8, 0.15, id="dense"),
        pytest.param("qwen3-30b-a3b", 1152, 9.8, 0.25, id="sparse"),
    ],
)
def test_a_step_agrees_with_others_measurements_on_an_a100(
    model: str, context: int, measured_ms: float, within: float
) -> None:
    # tenstorrent/tt-inference-server, issue 340: one A100 80G, vLLM, 1,024 in and 128 out, alone.
    one = demand(model, Precision.BF16, kind("a100-80g"), context=context, concurrency=1)
    assert estimate(one, ONE, context, 1).decode_s * 1e3 == pytest.approx(measured_ms, rel=within)


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


def test_a_prompt_that_is_cut_flows_through_the_stages() -> None:
    # An A100 takes 2,048 tokens a step, so 8,192 are four; two stages add one more turn.
    slow = demand("qwen3-32b", Precision.BF16, kind("a100-80g"))
    one = estimate(slow, Sizes(pipeline=1), 100_000, 3)
    two = estimate(slow, Sizes(pipeline=2), 200_000, 6)
    assert one.prompt == two.prompt == PROMPT
    assert two.prefill_s / one.prefill_s == pytest.approx((4 + 1) / (4 * 2), rel=0.05)


def test_the_batch_is_what_was_asked_for_as_far_as_the_cache_holds_it() -> None:
    assert estimate(demand(concurrency=8), TP4_DP2, 1_700_000, 40).batch == 8
    assert estimate(demand(concurrency=800), TP4_DP2, 1_700_000, 40).batch == 40
    assert estimate(demand(nodes=2, concurrency=9), TP4_DP2, 1_700_000, 40).batch == 5


def test_an_estimate_says_that_nothing_was_measured_and_where_numbers_are_from() -> None:
    one = estimate(demand(nodes=2), Sizes(tensor=8, pipeline=2, expert=True), 1_000_000, 30)
    assert not one.measured
    said = "\n".join(one.sources)
    assert "predicted by a roofline, not measured" in said
    assert "NVIDIA H100 datasheet" in said
    assert "network 400 Gb/s a GPU" in said
    assert one.limited_by in ("memory", "compute", "communication", "launches")


LAYOUTS = st.sampled_from(
    [
        Sizes(tensor=8, expert=True),
        Sizes(tensor=4, pipeline=2),
        TP4_DP2,
        Sizes(tensor=4, pipeline=2, data=2, expert=True),
    ]
)
FASTER = st.floats(1.0, 8.0)
GPUS = st.sampled_from(list(KINDS.values()))


def predicted(gpu: GpuKind, sizes: Sizes) -> tuple[float, float]:
    one = estimate(demand(gpu=gpu, nodes=2), sizes, 1_500_000, 45)
    return one.prefill_s, one.decode_s


@settings(max_examples=60, deadline=None)
@given(gpu=GPUS, sizes=LAYOUTS, times=FASTER, what=st.sampled_from(("bandwidth", "link")))
def test_more_bandwidth_is_never_slower(
    gpu: GpuKind, sizes: Sizes, times: float, what: str
) -> None:
    faster = replace(gpu, **{what: getattr(gpu, what) * times})
    before, after = predicted(gpu, sizes), predicted(faster, sizes)
    assert all(b <= a * (1 + 1e-9) for a, b in zip(before, after, strict=True))


@settings(max_examples=60, deadline=None)
@given(gpu=GPUS, sizes=LAYOUTS, times=FASTER)
def test_more_flops_are_never_slower(gpu: GpuKind, sizes: Sizes, times: float) -> None:
    more = {"flops_bf16": gpu.flops_bf16 * times, "flops_fp8": gpu.flops_fp8 * times}
    before, after = predicted(gpu, sizes), predicted(replace(gpu, **more), sizes)
    assert all(b <= a * (1 + 1e-9) for a, b in zip(before, after, strict=True))


@settings(max_examples=100, deadline=None)
@given(
    sizes=LAYOUTS,
    model=st.sampled_from(("qwen3-30b-a3b", "qwen3-235b-a22b")),
    precision=st.sampled_from(list(Precision)),
    few=st.integers(1, 250),
    more=st.integers(1, 250),
)
def test_a_larger_batch_is_a_longer_step_and_never_fewer_tokens_a_second(
    sizes: Sizes, model: str, precision: Precision, few: int, more: int
) -> None:
    def at(batch: int) -> tuple[float, float]:
        # One replica: all sixteen GPUs or the nodes cut down to it.
        one = demand(model, precision, nodes=2, context=4096)
        one = replace(one, nodes=Nodes(H100, sizes.gpus // one.nodes.nodes, one.nodes.nodes))
        found = estimate(replace(one, concurrency=batch), sizes, 4096 * 500, 500)
        assert found.batch == batch
        return found.decode_s, found.tokens_per_s

    small, large = at(few), at(few + more)
    assert small[0] <= large[0] * (1 + 1e-9)
    assert small[1] <= large[1] * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(sizes=LAYOUTS, context=st.integers(1, 40_000), longer=st.integers(0, 40_000))
def test_a_longer_context_is_never_a_faster_step(sizes: Sizes, context: int, longer: int) -> None:
    def at(tokens: int) -> float:
        return estimate(demand(context=tokens, nodes=2), sizes, tokens * 20, 20).decode_s

    assert at(context) <= at(context + longer) * (1 + 1e-9)
