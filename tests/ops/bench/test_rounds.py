"""Order, pairs, medians and their intervals."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bench.rounds import compare, estimate, order
from ops.bench.values import BUSY, LIGHT, Comparison, Measurement, Tally

TALLY = Tally(
    seconds=5.0,
    answers=100,
    tokens_per_s=1000.0,
    requests_per_s=20.0,
    ttft_p50_ms=10.0,
    ttft_p99_ms=20.0,
    e2e_p50_ms=100.0,
    e2e_p99_ms=200.0,
    lost={},
    cpu_s=0.1,
)
RATIO = Comparison("a_over_b", "a", "b", BUSY, "tokens_per_s", 0.9)
ADDED = Comparison("added", "a", "b", LIGHT, "ttft_p50_ms", 10.0, difference=True)


def measured(
    contender: str, round_: int, load: str = "busy", **changes: float | None
) -> Measurement:
    return Measurement(contender, load, round_, replace(TALLY, **changes), {})  # type: ignore[arg-type]


@given(st.lists(st.text(), unique=True), st.integers(0, 100))
def test_every_round_asks_every_contender_once(names: list[str], round_: int) -> None:
    assert sorted(order(names, round_)) == sorted(names)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_after_a_whole_turn_each_has_stood_in_each_place(count: int) -> None:
    names = [str(n) for n in range(count)]
    places = {(name, order(names, r).index(name)) for r in range(count) for name in names}
    assert len(places) == count**2


def test_the_second_turn_goes_backwards() -> None:
    assert order("abc", 0) == ("a", "b", "c")
    assert order("abc", 3) == ("c", "b", "a")


@pytest.mark.parametrize(
    ("values", "median", "low", "high", "confidence"),
    [
        pytest.param([1.0], 1.0, 1.0, 1.0, 0.0, id="one round says nothing of its spread"),
        pytest.param([3.0, 1.0], 2.0, 1.0, 3.0, 0.5, id="two rounds"),
        pytest.param([5.0, 1, 4, 2, 3], 3.0, 1.0, 5.0, 0.9375, id="five rounds: all of them"),
        pytest.param(list(map(float, range(8))), 3.5, 1.0, 6.0, 0.9297, id="eight: the outer go"),
    ],
)
def test_the_interval_is_of_order_statistics(
    values: list[float], median: float, low: float, high: float, confidence: float
) -> None:
    found = estimate(values)
    assert (found.median, found.low, found.high) == (median, low, high)
    assert found.confidence == pytest.approx(confidence, abs=1e-4)
    assert found.rounds == tuple(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_interval_holds_the_median_and_is_as_sure_as_it_can_be(values: list[float]) -> None:
    found = estimate(values)
    assert found.low <= found.median <= found.high
    assert found.confidence >= 0.9 or len(values) < 5


def test_a_ratio_is_taken_within_each_round() -> None:
    """Round 1 was twice as slow for both: the ratio does not see it."""
    runs = [
        measured("a", 0, tokens_per_s=900.0),
        measured("b", 0, tokens_per_s=1000.0),
        measured("a", 1, tokens_per_s=450.0),
        measured("b", 1, tokens_per_s=500.0),
    ]
    found = compare(RATIO, runs)
    assert found is not None
    assert found.rounds == pytest.approx((0.9, 0.9))


def test_a_difference_is_taken_where_that_is_asked() -> None:
    runs = [measured("a", 0, "light", ttft_p50_ms=14.0), measured("b", 0, "light")]
    found = compare(ADDED, runs)
    assert found is not None
    assert found.median == pytest.approx(4.0)


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([measured("a", 0)], id="one is not there"),
        pytest.param([measured("a", 0), measured("b", 1)], id="no round has both"),
        pytest.param([measured("a", 0), measured("b", 0, "light")], id="under another load"),
        pytest.param([measured("a", 0), measured("b", 0, tokens_per_s=0.0)], id="none answered"),
    ],
)
def test_nothing_is_said_without_a_pair(runs: list[Measurement]) -> None:
    assert compare(RATIO, runs) is None


@pytest.mark.parametrize(
    ("comparison", "value", "reached"),
    [(RATIO, 0.9, True), (RATIO, 0.89, False), (ADDED, 10.0, True), (ADDED, 10.1, False)],
)
def test_a_goal_is_a_least_ratio_or_a_most_difference(
    comparison: Comparison, value: float, reached: bool
) -> None:
    assert comparison.reached(value) is reached
