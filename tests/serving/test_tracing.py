"""Which requests are traced, and what is kept of them."""

import pytest

from serving.errors import EngineFailed
from serving.tracing import Parent, Sampler, Stage, chosen, parse, step

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
IDS = int(TRACE, 16), int(SPAN, 16)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", Parent(*IDS, True), id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", Parent(*IDS, False), id="not sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-03", Parent(*IDS, True), id="of a random id"),
        pytest.param(f"00-{TRACE}-{SPAN}-02", Parent(*IDS, False), id="random, not sampled"),
        pytest.param(f" 00-{TRACE}-{SPAN}-01 ", Parent(*IDS, True), id="blanks around it"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01", Parent(*IDS, True), id="a version to come"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-x.y", Parent(*IDS, True), id="that says more"),
        pytest.param(f"00-{TRACE}-{SPAN}-01-x", None, id="this version says no more"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01.x", None, id="more without a dash"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", None, id="no version"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", None, id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="no span"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", None, id="capitals"),
        pytest.param(f"00-{TRACE[1:]}-{SPAN}-01", None, id="too short"),
        pytest.param(f"00-{TRACE}-{SPAN}", None, id="no flags"),
        pytest.param(f"00-{TRACE}-{SPAN}-1", None, id="half the flags"),
        pytest.param("what is 7 + 7?", None, id="anything else"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_traceparent_is_read_as_w3c_has_it(header: str, found: Parent | None) -> None:
    assert parse(header.encode()) == found


LOW, HIGH = f"{'a' * 16}{'0' * 16}", f"{'0' * 16}{'f' * 16}"
"""Chosen by any sample, and by a whole one alone."""


@pytest.mark.parametrize(
    ("header", "sample", "traced"),
    [
        pytest.param(f"00-{LOW}-{SPAN}-01", 0.01, True, id="chosen"),
        pytest.param(f"00-{HIGH}-{SPAN}-01", 0.01, False, id="more than the sample"),
        pytest.param(f"00-{HIGH}-{SPAN}-01", 1, True, id="a whole sample"),
        pytest.param(f"00-{LOW}-{SPAN}-00", 1, False, id="the client says no"),
        pytest.param(None, 1, True, id="no client's trace"),
        pytest.param("nonsense", 1, True, id="nonsense begins a trace of its own"),
    ],
)
def test_a_client_can_say_no_and_never_get_more_than_the_sample(
    header: str | None, sample: float, traced: bool
) -> None:
    trace = Sampler(sample).begin(header and header.encode(), 7.0)
    assert (trace is not None) == traced


def test_a_client_gives_the_ids_and_else_there_are_new_ones() -> None:
    sampler = Sampler(1)
    given = sampler.begin(f"00-{TRACE}-{SPAN}-01".encode(), 7.0)
    assert given is not None
    assert (given.id, given.parent_id) == IDS
    own, other = sampler.begin(None, 7.0), sampler.begin(None, 7.0)
    assert own is not None
    assert other is not None
    assert own.parent_id is None
    assert len({own.id, other.id, own.span_id, other.span_id}) == 4


def test_the_sample_is_a_part_of_all_traces() -> None:
    ids = [number << 54 for number in range(1024)]
    assert sum(chosen(id, 0.25) for id in ids) == 256


def test_steps_have_ids_of_their_own_and_are_told_to_whoever_goes_on() -> None:
    trace = Sampler(1, bits=lambda count: 2**count - 1).begin(None, 0.0)
    assert trace is not None
    clock = iter([1.0, 2.0, 3.0, 4.0]).__next__
    with step(trace, Stage.DECIDE, clock):
        pass
    with pytest.raises(EngineFailed), step(trace, Stage.ATTEMPT, clock) as attempt:
        raise EngineFailed("it failed")
    assert attempt is not None
    assert attempt.traceparent == f"00-{'f' * 32}-8000000000000002-01"
    assert [(s.stage, s.began, s.ended, s.error) for s in trace.steps] == [
        ("decide", 1.0, 2.0, None),
        ("attempt", 3.0, 4.0, "engine_failed"),
    ]


def test_of_a_request_that_is_not_traced_nothing_is_made() -> None:
    def clock() -> float:
        raise AssertionError("nobody asks what time it is")

    first, second = step(None, Stage.DECIDE, clock), step(None, Stage.ATTEMPT, clock)
    assert first is second
    with first as found:
        assert found is None
