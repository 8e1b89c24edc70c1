"""What becomes of a request whose model cannot answer now."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.routing.absence import (
    AGAIN_AFTER_S,
    MOST_TRIES,
    Decision,
    Policy,
    Situation,
    Step,
    decide,
    most_waiting,
    retry_after_s,
)
from serving.values import ModelName

OTHER = ModelName("qwen3-8b")
NOTHING, HOLDS = Policy(), Policy(30.0)
INSTEAD, BOTH = Policy(0.0, OTHER), Policy(30.0, OTHER)


@pytest.mark.parametrize(
    ("policy", "now", "step"),
    [
        pytest.param(NOTHING, {}, Step.REFUSE, id="nobody waits"),
        pytest.param(NOTHING, {"other_ready": True}, Step.REFUSE, id="nobody stands in"),
        pytest.param(INSTEAD, {"other_ready": True}, Step.INSTEAD, id="the other, at once"),
        pytest.param(INSTEAD, {}, Step.REFUSE, id="the other is away, too"),
        pytest.param(HOLDS, {}, Step.WAIT, id="it waits"),
        pytest.param(BOTH, {"other_ready": True}, Step.WAIT, id="first it waits"),
        pytest.param(BOTH, {"other_ready": True, "waited_s": 30.0}, Step.INSTEAD, id="then not"),
        pytest.param(HOLDS, {"waited_s": 30.0}, Step.REFUSE, id="long enough"),
        pytest.param(HOLDS, {"ready": True, "waited_s": 9.0}, Step.HOME, id="there it is"),
        pytest.param(HOLDS, {"ready": True, "waited_s": 31.0}, Step.HOME, id="at the last moment"),
        pytest.param(NOTHING, {"ready": True}, Step.HOME, id="there before it could wait"),
        pytest.param(
            HOLDS, {"ready": True, "tries": MOST_TRIES}, Step.WAIT, id="there and not reached"
        ),
        pytest.param(
            HOLDS,
            {"ready": True, "tries": MOST_TRIES, "tried_s": AGAIN_AFTER_S},
            Step.HOME,
            id="once more, a while later",
        ),
        pytest.param(
            HOLDS,
            {"ready": True, "tries": MOST_TRIES, "tried_s": 9.0, "waited_s": 30.0},
            Step.REFUSE,
            id="long enough, too",
        ),
        pytest.param(
            NOTHING,
            {"ready": True, "tries": MOST_TRIES, "tried_s": 9.0},
            Step.REFUSE,
            id="never reached",
        ),
        pytest.param(HOLDS, {"crowded": True}, Step.REFUSE, id="too many wait"),
        pytest.param(BOTH, {"crowded": True, "other_ready": True}, Step.INSTEAD, id="crowded out"),
        pytest.param(HOLDS, {"hopeless": True}, Step.REFUSE, id="for nothing"),
        pytest.param(HOLDS, {"hopeless": True, "ready": True}, Step.REFUSE, id="drained"),
        pytest.param(BOTH, {"hopeless": True, "other_ready": True}, Step.INSTEAD, id="not for it"),
    ],
)  # fmt: skip
def test_a_request_waits_then_goes_elsewhere_or_is_refused(
    policy: Policy, now: dict[str, Any], step: Step
) -> None:
    assert decide(policy, Situation(**{"ready": False, **now})).step is step


policies = st.builds(Policy, st.floats(0, 100), st.sampled_from([None, OTHER]))
situations = st.builds(
    Situation,
    ready=st.booleans(),
    hopeless=st.booleans(),
    waited_s=st.floats(0, 200),
    tries=st.integers(0, 5),
    tried_s=st.floats(0, 200),
    crowded=st.booleans(),
    other_ready=st.booleans(),
)


@given(policies, situations)
def test_nobody_waits_longer_than_the_file_says_or_for_nothing(
    policy: Policy, now: Situation
) -> None:
    found: Decision = decide(policy, now)
    assert found.reason
    if found.step is Step.WAIT:
        assert 0 < found.at_most_s <= policy.hold_for_s - now.waited_s
        assert not now.hopeless
        assert not now.crowded
    else:
        assert found.at_most_s == 0
    if found.step is Step.HOME:
        assert now.ready
        assert not now.hopeless
    if found.step is Step.INSTEAD:
        assert policy.instead
        assert now.other_ready
    if found.step is Step.REFUSE:
        assert not (policy.instead and now.other_ready)


@given(policies, situations)
def test_it_comes_to_an_end(policy: Policy, now: Situation) -> None:
    """Whoever has waited long enough and was tried often enough goes elsewhere or is refused."""
    end = Situation(
        ready=now.ready,
        hopeless=now.hopeless,
        waited_s=policy.hold_for_s,
        tries=MOST_TRIES,
        tried_s=now.tried_s,
        crowded=now.crowded,
        other_ready=now.other_ready,
    )
    assert decide(policy, end).step in (Step.INSTEAD, Step.REFUSE)


@pytest.mark.parametrize(("most", "waiting"), [(1, 1), (2, 1), (512, 256)])
def test_half_of_the_places_are_for_models_that_answer(most: int, waiting: int) -> None:
    assert most_waiting(most) == waiting


@pytest.mark.parametrize(
    ("own", "other", "after"), [(70, None, 70), (70, 20, 20), (5, 20, 5), (None, None, None)]
)
def test_whoever_is_there_first_answers_the_next_try(
    own: int | None, other: int | None, after: int | None
) -> None:
    assert retry_after_s(own, other) == after
