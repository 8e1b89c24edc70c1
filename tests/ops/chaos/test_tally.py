"""What a trial comes to, from made-up logs."""

import signal

import pytest

from ops.chaos.clients import Call, Ending
from ops.chaos.faults import Fault, Role
from ops.chaos.routing import Sight
from ops.chaos.tally import Losses, Row, row
from ops.chaos.trial import Trial

VICTIM, OTHER = "pocket-dense", "pocket-moe"
KILLED = Fault("core-killed", signal.SIGKILL, Role.CORE)
AT = 100.0


def call(began: float, ended: float, ending: Ending = Ending.WHOLE, pool: str = VICTIM) -> Call:
    return Call(pool, began, ended, ending, "503" if ending is Ending.REFUSED else "200")


def trial(*calls: Call, sights: tuple[tuple[float, int], ...] = ((90.0, 1),)) -> Trial:
    seen = tuple(Sight(at, {VICTIM: count, OTHER: 1}) for at, count in sights)
    return Trial(KILLED, AT, calls, seen, left=False)


OUTAGE = trial(
    call(95, 99),
    call(99, 101, Ending.ERROR_EVENT),
    call(101, 101, Ending.REFUSED),
    call(150, 150, Ending.REFUSED),
    call(99, 160),  # it began before
    call(151, 165),
    call(166, 167),
    call(100, 102, pool=OTHER),
    sights=((90.0, 1), (101.5, 0), (140.0, 1), (141.0, 0), (161.0, 1)),
)


def test_an_outage_is_timed_and_counted() -> None:
    assert row(OUTAGE, VICTIM, replicas=1) == Row(
        fault="core-killed",
        signal="SIGKILL",
        process=Role.CORE,
        out_of_routing_s=1.5,
        answers_again_s=65.0,
        restored_s=61.0,
        victim=Losses(whole=4, refused=2, lost=0, error_events=1, cut=0),
        others=Losses(whole=1, refused=0, lost=0, error_events=0, cut=0),
        left=False,
        told={"error event: 200": 1, "refused: 503": 2},
    )


def test_what_nobody_noticed_has_no_times() -> None:
    found = row(trial(call(95, 101), call(101, 103)), VICTIM, replicas=1)
    assert (found.out_of_routing_s, found.answers_again_s, found.restored_s) == (None, 0.0, None)


@pytest.mark.parametrize(
    "sights", [((90.0, 1), (101.0, 0)), ((90.0, 2), (101.0, 1))], ids=["none left", "one of two"]
)
def test_what_does_not_come_back_has_no_end(sights: tuple[tuple[float, int], ...]) -> None:
    found = row(trial(call(101, 101, Ending.LOST), sights=sights), VICTIM, replicas=sights[0][1])
    assert (found.out_of_routing_s, found.answers_again_s, found.restored_s) == (1.0, None, None)


@pytest.mark.parametrize(
    ("ending", "replicas", "bad"),
    [
        (Ending.WHOLE, 1, 0),
        (Ending.REFUSED, 1, 0),
        (Ending.ERROR_EVENT, 1, 0),
        (Ending.NO_OTHER, 1, 0),
        (Ending.NO_OTHER, 2, 1),
        (Ending.LOST, 1, 1),
        (Ending.CUT, 1, 1),
    ],
)
def test_only_what_ends_without_a_word_or_without_need_is_bad(
    ending: Ending, replicas: int, bad: int
) -> None:
    assert row(trial(call(101, 102, ending)), VICTIM, replicas=replicas).victim.bad == bad
