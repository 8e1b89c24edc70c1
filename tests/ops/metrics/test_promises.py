"""Which requests count for which promise, and whether each kept it."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ops.metrics import PrometheusObserver
from serving.config import Slo
from serving.observer import RequestFinished
from serving.values import Mode, ModelName, Outcome, Usage
from tests.ops.metrics.test_observer import DEEP, REFUSED, WHOLE

SLO = Slo.model_validate(
    {
        "plain": {"ttft": "250ms", "tpot": "100ms", "kept": 0.9},
        "thinking": {"ttft": "1s", "tpot": "50ms"},
        "availability": 0.995,
    }
)
MODEL = ModelName("pocket-dense")
Key = tuple[str, ...]
"""promise, model, thinking, kept"""


def kept(*events: RequestFinished) -> dict[Key, float]:
    """The counts that are not 0."""
    return {key: count for key, count in counts(events).items() if count}


def counts(events: Iterable[RequestFinished]) -> dict[Key, float]:
    registry = CollectorRegistry()
    both = (Mode.PLAIN, Mode.THINKING)
    observer = PrometheusObserver(registry, slo=SLO, offered={MODEL: both})
    for event in events:
        observer.on(event)
    return {
        tuple(s.labels[name] for name in ("promise", "model", "thinking", "kept")): s.value
        for family in registry.collect()
        for s in family.samples
        if s.name == "bifocal_promises_total"
    }


CASES = {
    "at the promise": (
        WHOLE,  # 250 ms to the first token, 100 ms for each of ten more
        {"ttft": "yes", "tpot": "yes", "availability": "yes"},
    ),
    "a late first token": (
        replace(WHOLE, ttft_s=0.251, e2e_s=1.2),
        {"ttft": "no", "tpot": "yes", "availability": "yes"},
    ),
    "slow tokens": (
        replace(WHOLE, e2e_s=1.26),
        {"ttft": "yes", "tpot": "no", "availability": "yes"},
    ),
    "one token has no time for each": (
        replace(WHOLE, usage=Usage(7, 1, 0)),
        {"ttft": "yes", "availability": "yes"},
    ),
    "no stream": (replace(WHOLE, ttft_s=None), {"availability": "yes"}),
    "an engine that fails in a stream": (
        replace(WHOLE, outcome=Outcome.ENGINE_ERROR, usage=None),
        {"ttft": "yes", "availability": "no"},
    ),
    "a deadline": (
        replace(WHOLE, outcome=Outcome.TIMEOUT, status=504, ttft_s=None, usage=None),
        {"availability": "no"},
    ),
    "a pool that loads": (
        replace(WHOLE, outcome=Outcome.REJECTED, status=503, ttft_s=None, usage=None),
        {"availability": "no"},
    ),
    "a limit": (
        replace(WHOLE, outcome=Outcome.REJECTED, status=429, ttft_s=None, usage=None),
        {},
    ),
    "a client's mistake": (
        replace(WHOLE, outcome=Outcome.CLIENT_ERROR, status=400, ttft_s=None, usage=None),
        {},
    ),
    "a client that hangs up": (
        replace(WHOLE, outcome=Outcome.ABORTED, status=499, usage=None),
        {"ttft": "yes"},
    ),
}


@pytest.mark.parametrize(("event", "expected"), CASES.values(), ids=CASES)
def test_a_request_counts_for_the_promises_it_is_under(
    event: RequestFinished, expected: dict[str, str]
) -> None:
    assert kept(event) == {(p, MODEL, "off", k): 1 for p, k in expected.items()}


def test_each_mode_has_its_own_promise() -> None:
    deep = replace(WHOLE, route=replace(DEEP, model=MODEL))
    assert kept(deep) == {
        ("ttft", MODEL, "on", "yes"): 1,  # a second is promised
        ("tpot", MODEL, "on", "no"): 1,  # 50 ms are
        ("availability", MODEL, "on", "yes"): 1,
    }


def test_before_a_decision_only_availability_is_at_stake() -> None:
    broken = replace(REFUSED, outcome=Outcome.ENGINE_ERROR, status=500)
    assert kept(REFUSED) == {}
    assert kept(broken) == {("availability", "none", "none", "no"): 1}


def test_every_counter_is_there_before_the_first_request() -> None:
    assert len(counts([])) == 2 * 3 * 2
    assert set(counts([]).values()) == {0}


def test_the_promises_themselves_are_shown() -> None:
    registry = CollectorRegistry()
    PrometheusObserver(registry, slo=SLO)
    of = {"promise": "ttft", "thinking": "off"}
    assert registry.get_sample_value("bifocal_promise_seconds", of) == 0.25
    assert registry.get_sample_value("bifocal_promise_objective", of) == 0.9
    whole = {"promise": "availability", "thinking": "on"}
    assert registry.get_sample_value("bifocal_promise_objective", whole) == 0.995


@given(
    st.sampled_from(Outcome),
    st.sampled_from([200, 400, 429, 500, 503]),
    st.one_of(st.none(), st.floats(0, 100)),
)
def test_a_request_counts_once_at_most_for_each_promise(
    outcome: Outcome, status: int, ttft: float | None
) -> None:
    event = replace(WHOLE, outcome=outcome, status=status, ttft_s=ttft, e2e_s=100.0)
    found = kept(event)
    assert len({key[0] for key in found}) == len(found) == sum(found.values())
