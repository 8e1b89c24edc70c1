"""Engines that work, rest, compute for long and are stuck, as timelines."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pools import pulse as pulses
from serving.pools.pulse import LONGEST_GAP_S, Look, Pulse, Verdict, decide, watched

LIMIT_S = 60.0
PERIOD_S = 5.0


def last(looks: Iterable[Look], limit_s: float = LIMIT_S) -> Verdict:
    verdict = None
    for look in looks:
        verdict = decide(verdict, look, limit_s)
    assert verdict is not None
    return verdict


def timeline(*segments: tuple[int, int, int]) -> list[Look]:
    """Looks every period; each segment is how many of them, requests, and steps between two."""
    looks, now, steps = [], 0.0, 0
    for count, unfinished, pace in segments:
        for _ in range(count):
            now, steps = now + PERIOD_S, steps + pace
            looks.append(Look(now, unfinished, steps))
    return looks


@pytest.mark.parametrize(
    ("segments", "stuck"),
    [
        pytest.param([(100, 4, 300)], False, id="busy"),
        pytest.param([(1000, 0, 0)], False, id="idle for an hour and more"),
        pytest.param([(1000, 0, 0), (1, 1, 0)], False, id="the first request after an hour"),
        pytest.param([(10, 1, 0), (1, 1, 1), (10, 1, 0)], False, id="two steps of 50 s"),
        pytest.param([(100, 0, 1)], False, id="empty steps for the rest of its gang"),
        pytest.param([(1, 4, 300), (11, 4, 0)], False, id="still for 55 s"),
        pytest.param([(1, 4, 300), (12, 4, 0)], True, id="still for a minute"),
        pytest.param([(1, 4, 9), (12, 4, 0), (50, 0, 0)], True, id="stuck and given up by all"),
        pytest.param([(1, 4, 9), (12, 4, 0), (1, 4, 1)], False, id="it went on"),
        pytest.param(
            [(1, 1, 9), (6, 1, 0), (3, 0, 0), (8, 1, 0)], True, id="clients give up and come again"
        ),
        pytest.param([(1, 1, 9), (6, 1, 0), (100, 0, 0)], False, id="an hour's rest counts not"),
    ],
)
def test_an_engine_is_stuck_when_it_has_work_and_takes_no_step(
    segments: list[tuple[int, int, int]], stuck: bool
) -> None:
    assert last(timeline(*segments)).stuck is stuck


def test_the_reason_has_the_numbers() -> None:
    verdict = last(timeline((1, 4, 300), (12, 4, 0)))
    assert verdict.reason == "4 request(s) in the engine, and no step for 60 s of work"


def test_who_was_held_up_does_not_blame_the_engine() -> None:
    late = last([Look(0, 1, 5), Look(300, 1, 5)])
    assert late.still_s == LONGEST_GAP_S


spans = st.lists(
    st.tuples(
        st.floats(0, 200),  # rest before the requests
        st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8),  # steps, in slowest ones
    ),
    min_size=1,
    max_size=12,
)


@given(spans, st.floats(0.5, 15.0), st.floats(1.0, 100.0))
def test_an_engine_whose_every_step_ends_in_time_is_never_stuck(
    work: list[tuple[float, list[float]]], period: float, slowest: float
) -> None:
    """Whenever it is looked at, and whatever it does between."""
    ends, busy, now = [], [], 0.0
    for rest, steps in work:
        start = now = now + rest
        for part in steps:
            ends.append(now := now + part * slowest)
        busy.append((start, now))
    verdict = None
    for n in range(int(now / period) + 2):
        at = n * period
        unfinished = sum(start <= at < end for start, end in busy)
        look = Look(at, unfinished, sum(end <= at for end in ends))
        verdict = decide(verdict, look, slowest * 1.001)
        assert not verdict.stuck


@given(
    st.floats(1.0, 120.0),
    st.floats(0.5, LONGEST_GAP_S),
    st.integers(1, 1000),
)
def test_an_engine_that_stops_is_found_within_two_looks_more(
    limit: float, period: float, steps: int
) -> None:
    """With requests in it all the time; when it stopped, a look had just been or was about to."""
    verdict, now = decide(None, Look(0.0, 1, steps - 1), limit), 0.0
    while not verdict.stuck:
        now += period
        verdict = decide(verdict, Look(now, 1, steps), limit)
        assert now <= limit + 2 * period + 0.001


def test_a_pulse_is_felt_looked_at_and_told() -> None:
    pulse = Pulse()
    told = []
    for now in (0, 5, 10):
        pulse.look(now, 1, 8.0)
        told.append(pulse.stuck)
    assert told == [False, False, True]
    pulse.beat()
    assert not pulse.look(15, 1, 8.0).stuck


async def test_a_first_request_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "LOOKS_EVERY_S", 0.001)
    hung, pulse, seconds = asyncio.Event(), Pulse(), iter(range(100))

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            hung.set()

    async def look() -> None:
        if pulse.look(next(seconds), 1, 8.0).stuck:
            raise RuntimeError("stuck")

    with pytest.raises(RuntimeError, match="stuck"):
        await asyncio.wait_for(watched(hang(), look), 10)
    assert next(seconds) == 9
    await asyncio.wait_for(hung.wait(), 10)  # nothing of it is left


async def test_of_work_that_is_done_soon_nobody_looks() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def fail() -> None:
        raise ValueError("its own words")

    async def look() -> None:
        raise AssertionError

    await watched(work(), look)
    with pytest.raises(ValueError, match="its own words"):
        await watched(fail(), look)
