"""What is predicted for a load: against others' measurements, by hand, and for any numbers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.config import Slo
from serving.layout import Demand, Load, Nodes, Precision, Sizes
from serving.layout.gpus import KINDS, GpuKind, kind
from serving.layout.speed import estimate
from serving.values import Mode
from tests.serving.layout.asked import demand

ONE = Sizes()
TP4_DP2 = Sizes(tensor=4, data=2, expert=True)
NO_PROMISE = 1e9


def big(gpu: GpuKind | None = None, nodes: int = 2, load: Load | None = None) -> Demand:
    asked = demand("qwen3-235b-a22b", "fp8", nodes=nodes, context=32_768)
    machines = replace(asked.nodes, kind=gpu or asked.nodes.kind)
    return replace(asked, nodes=machines, load=load or Load(tpot_s=NO_PROMISE))


@pytest.mark.parametrize(
    ("model", "measured_ms", "within"),
    [
        pytest.param("qwen3-1.7b", 4.8, 0.15, id="dense"),
        pytest.param("qwen3-30b-a3b", 9.8, 0.25, id="sparse"),
    ],
)
def test_a_step_agrees_with_others_measurements_on_an_a100(model, measured_ms, within):
    # tenstorrent/tt-inference-server, issue 340: one A100 80G, vLLM, 1,024 in and 128 out, alone.
    asked = replace(demand(model, "bf16", "a100-80g"), load=Load(prompt=1024, answer=128))
    found = estimate(asked, ONE, 100_000)
    assert found.alone_s * 1e3 == pytest.approx(measured_ms, rel=within)


def test_a_prompt_that_is_cut_flows_through_the_stages():
    # An A100 takes 2,048 tokens a step, so 8,192 are four; two stages add one more turn.
    slow = replace(demand("qwen3-32b", "bf16", "a100-80g"), load=Load(prompt=8192))
    one = estimate(slow, ONE, 100_000)
    two = estimate(slow, Sizes(pipeline=2), 200_000)
    assert one.prompt == two.prompt == 8192
    assert two.prefill_s / one.prefill_s == pytest.approx((4 + 1) / (4 * 2), rel=0.05)


@pytest.mark.parametrize(
    ("kv_tokens", "batch"),
    [
        pytest.param(40_960, 10, id="as many as the cache holds to their ends"),
        pytest.param(41_000, 10, id="and no part of one"),
        pytest.param(10_000_000, 512, id="no more than both engines are told to take"),
        pytest.param(4096, 1, id="one"),
    ],
)
def test_a_batch_is_what_cache_and_engine_take(kv_tokens, batch):
    assert estimate(big(), TP4_DP2, kv_tokens).batch == batch


def test_a_batch_is_cut_to_what_keeps_the_promise():
    free = estimate(big(), TP4_DP2, 1_700_000)
    kept = estimate(big(load=Load(tpot_s=0.02)), TP4_DP2, 1_700_000)
    one_more = estimate(big(), TP4_DP2, 4096 * (kept.batch + 1))
    assert 1 < kept.batch < free.batch
    assert kept.decode_s <= 0.02 < one_more.decode_s
    assert kept.keeps_promise


def test_a_promise_that_not_even_one_request_is_given_is_said_to_be_broken():
    found = estimate(big(load=Load(tpot_s=0.001)), TP4_DP2, 1_700_000)
    assert (found.batch, found.keeps_promise) == (1, False)


def test_tokens_a_second_by_hand():
    """Each request takes its prefill of the replica, and its share of 2,048 steps."""
    found = estimate(demand("qwen3-8b", per_node=4), ONE, 409_600)
    work_s = found.prefill_s - 2e-3  # one stage, one rank: all of it but scheduling, once
    expected = 4 * 2048 / (work_s + 2048 * found.decode_s / found.batch)
    assert found.batch == 100
    assert found.tokens_per_s == pytest.approx(expected)
    assert found.latency_s == found.prefill_s + 2048 * found.alone_s


def test_a_load_that_the_context_does_not_hold_is_cut_in_proportion():
    assert Load(prompt=3000, answer=1000).within(400) == Load(prompt=300, answer=100)
    assert Load().within(4096) == Load()
    assert Load(prompt=1, answer=100_000).within(2) == Load(prompt=1, answer=1)


def test_the_promise_is_the_cluster_files_own():
    assert Load().tpot_s == Slo().of(Mode.PLAIN).tpot


def test_an_estimate_says_that_nothing_was_measured_and_where_numbers_are_from():
    one = estimate(big(), Sizes(tensor=8, pipeline=2, expert=True), 1_000_000)
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


def predicted(gpu: GpuKind, sizes: Sizes) -> tuple[float, ...]:
    one = estimate(big(gpu), sizes, 1_500_000)
    return one.prefill_s, one.decode_s, one.alone_s, 1 / one.tokens_per_s


@settings(max_examples=60, deadline=None)
@given(gpu=GPUS, sizes=LAYOUTS, times=FASTER, what=st.sampled_from(("bandwidth", "link")))
def test_more_bandwidth_is_never_slower(gpu, sizes, times, what):
    faster = replace(gpu, **{what: getattr(gpu, what) * times})
    before, after = predicted(gpu, sizes), predicted(faster, sizes)
    assert all(b <= a * (1 + 1e-9) for a, b in zip(before, after, strict=True))


@settings(max_examples=60, deadline=None)
@given(gpu=GPUS, sizes=LAYOUTS, times=FASTER)
def test_more_flops_are_never_slower(gpu, sizes, times):
    more = {"flops_bf16": gpu.flops_bf16 * times, "flops_fp8": gpu.flops_fp8 * times}
    before, after = predicted(gpu, sizes), predicted(replace(gpu, **more), sizes)
    assert all(b <= a * (1 + 1e-9) for a, b in zip(before, after, strict=True))


@settings(max_examples=100, deadline=None)
@given(
    sizes=LAYOUTS,
    model=st.sampled_from(("qwen3-30b-a3b", "qwen3-235b-a22b")),
    precision=st.sampled_from(list(Precision)),
    few=st.integers(1, 120),
    more=st.integers(1, 120),
)
def test_a_larger_batch_is_a_longer_step_and_never_fewer_tokens_a_second(
    sizes, model, precision, few, more
):
    machines = Nodes(kind("h100-80g"), sizes.gpus, 1)
    one = replace(big(), model=demand(model).model, precision=precision, nodes=machines)

    def at(batch: int) -> tuple[float, float]:
        found = estimate(one, sizes, 4096 * batch)
        assert found.batch == batch
        return found.decode_s, found.tokens_per_s

    small, large = at(few), at(few + more)
    assert small[0] <= large[0] * (1 + 1e-9)
    assert small[1] <= large[1] * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(sizes=LAYOUTS, prompt=st.integers(1, 10_000), longer=st.integers(0, 10_000))
def test_a_longer_prompt_is_never_a_faster_step(sizes, prompt, longer):
    def at(tokens: int) -> float:
        load = Load(prompt=tokens, tpot_s=NO_PROMISE)
        return estimate(big(load=load), sizes, 20 * load.tokens).decode_s

    assert at(prompt) <= at(prompt + longer) * (1 + 1e-9)
