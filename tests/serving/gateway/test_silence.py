"""What an answer to "how are you" changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.silence import (
    ASK_AFTER_S,
    GIVE_UP_AFTER_S,
    UNREACHED_FOR_S,
    Health,
    Silence,
    Standing,
    Verdict,
    judge,
)

LONG, SHORT = Silence(60, 60), Silence(0.5, 0.5)
TOLD_LATELY = Silence(60, 1)
WELL, DOUBTFUL, DOWN = (Verdict(standing) for standing in Standing)
GIVEN_UP = Verdict(Standing.DOWN, give_up=True)


@pytest.mark.parametrize(
    ("health", "silence", "verdict"),
    [
        pytest.param(Health.WELL, LONG, WELL, id="a long prefill"),
        pytest.param(Health.ILL, None, DOWN, id="its engine died"),
        pytest.param(Health.ILL, LONG, GIVEN_UP, id="its engine is stuck"),
        pytest.param(Health.ILL, SHORT, DOWN, id="it still streams"),
        pytest.param(Health.GONE, None, DOWN, id="its process died"),
        pytest.param(Health.GONE, TOLD_LATELY, DOWN, id="it died this second"),
        pytest.param(Health.GONE, LONG, GIVEN_UP, id="it died and nobody was told"),
        pytest.param(Health.MUTE, None, DOUBTFUL, id="late, and nothing is on it"),
        pytest.param(Health.MUTE, LONG, GIVEN_UP, id="it is stuck as a whole"),
        pytest.param(Health.MUTE, TOLD_LATELY, DOUBTFUL, id="late once"),
        pytest.param(Health.UNREACHED, None, DOUBTFUL, id="no node, and nothing is on it"),
        pytest.param(Health.UNREACHED, Silence(9, 9), GIVEN_UP, id="its node lost its power"),
        pytest.param(Health.UNREACHED, TOLD_LATELY, DOUBTFUL, id="a network that flaps"),
        pytest.param(Health.UNCLEAR, LONG, WELL, id="it has no such path"),
    ],
)
def test_what_a_replica_says_decides(
    health: Health, silence: Silence | None, verdict: Verdict
) -> None:
    assert judge(health, silence) == verdict


seconds = st.floats(0, 1e6)


@given(st.sampled_from(Health), seconds, seconds)
def test_nothing_is_given_up_while_anything_is_heard(
    health: Health, byte_s: float, word_s: float
) -> None:
    verdict = judge(health, Silence(byte_s, min(byte_s, word_s)))
    if verdict.give_up:
        assert verdict.standing is Standing.DOWN
        assert byte_s >= ASK_AFTER_S
        patience_s = UNREACHED_FOR_S if health is Health.UNREACHED else GIVE_UP_AFTER_S
        assert health is Health.ILL or min(byte_s, word_s) >= patience_s
