"""Where a start goes, added up from what its processes say."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pools.start import ORDER, Mark, Noted, Step, Took, mark, marks, note, said, steps


def test_what_is_said_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    for step in Step:
        mark(step)
    said = marks(capsys.readouterr().err)
    assert [one.step for one in said] == list(Step)
    assert said[0].at == pytest.approx(said[-1].at, abs=5)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("bifocal start: 17.500 weights", [Mark(Step.WEIGHTS, 17.5)]),
        ("(EngineCore pid=7) bifocal start: 17.500 weights", [Mark(Step.WEIGHTS, 17.5)]),
        ("bifocal start: 17.500 nothing we know", []),
        ("bifocal start: soon", []),
        ("INFO loading weights", []),
    ],
    ids=["plain", "with vLLM's prefix", "another version's step", "no time", "something else"],
)
def test_a_log_holds_much_else(line: str, found: list[Mark]) -> None:
    assert marks(f"before\n{line}\nafter\n") == found


def test_a_step_begins_where_the_one_before_it_ended() -> None:
    said = [Mark(Step.IMPORTS, 15.5), Mark(Step.PROCESS, 12.0)]
    assert steps(said, 10.0) == [Took("process", 0.0, 2.0), Took("imports", 2.0, 3.5)]


def test_the_slowest_rank_counts() -> None:
    said = [Mark(Step.PROCESS, 14.0), Mark(Step.PROCESS, 12.0)]
    assert steps(said, 10.0) == [Took("process", 0.0, 4.0)]


def test_a_step_that_nobody_told_of_is_part_of_the_next() -> None:
    said = [Mark(Step.CORE, 12.0), Mark(Step.WEIGHTS, 15.0)]
    names = [took.step for took in steps(said, 10.0)]
    assert names == ["process, imports, engine core", "workers, weights"]


def test_a_step_that_a_start_does_without_is_none() -> None:
    told = [Mark(Step.PROCESS, 12.0), Mark(Step.IMPORTS, 15.0)]
    assert [took.step for took in steps(told, 10.0)] == ["process", "imports"]
    fetched = [*told, Mark(Step.FETCHED, 14.0)]
    assert steps(fetched, 10.0)[1] == Took("fetching weights", 2.0, 2.0)


def test_the_latest_note_counts_until_the_weights_are_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note("40% of 1.00 GiB")
    note("the hub is away\nname another", held=True)
    log = capsys.readouterr().err
    assert said(log).fetching == Noted("the hub is away; name another", held=True)
    mark(Step.FETCHED)
    there = said(log + capsys.readouterr().err)
    assert there.fetching is None
    assert there.has_done(Step.FETCHED)


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.floats(0, 1000)).map(lambda x: Mark(*x))))
def test_steps_never_overlap_and_add_up(said: list[Mark]) -> None:
    found = steps(said, 5.0)
    assert all(took.seconds >= 0 for took in found)
    for before, after in itertools.pairwise(found):
        assert after.begin_s == pytest.approx(before.begin_s + before.seconds, abs=0.01)
    if found:
        end = max(5.0, *(one.at for one in said))
        assert found[-1].begin_s + found[-1].seconds == pytest.approx(end - 5.0, abs=0.01)
