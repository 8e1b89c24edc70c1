import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadKey, NotAllowed
from serving.keys import (
    MAX_TEAMS,
    METRICS,
    OPERATE,
    KeyRecord,
    KeyRing,
    NoKeys,
    check_asks,
    new_key,
    next_expiries,
    team_of,
)
from serving.values import OPEN_TEAM, Team

NOW = 1_000_000.0


def _record(
    team: str = "search", secret: str = "bf-a", expires_at: float | None = None
) -> KeyRecord:
    return KeyRecord(Team(team), hashlib.sha256(secret.encode()).hexdigest(), expires_at)


def test_a_new_key_opens_for_its_team_and_for_no_other():
    search, chat = new_key("search", None, NOW), new_key("chat", None, NOW)
    ring = KeyRing.of([search.record, chat.record])
    assert ring.record_of(search.secret, NOW).team == "search"
    assert ring.record_of(chat.secret, NOW).team == "chat"


def test_a_new_key_is_bf_and_43_url_safe_characters_and_never_twice_the_same():
    keys = {new_key("a", None, NOW).secret for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 46 and key.startswith("bf-") for key in keys)


def test_what_is_kept_of_a_key_does_not_hold_it():
    key = new_key("search", None, NOW)
    assert key.secret not in repr(key)
    assert key.secret not in repr(KeyRing.of([key.record]))
    assert key.record.sha256 == hashlib.sha256(key.secret.encode()).hexdigest()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        pytest.param(None, "no API key", id="missing"),
        pytest.param("", "no API key", id="empty"),
        pytest.param("bf-guess", "unknown API key", id="unknown"),
        pytest.param("bf-a ", "unknown API key", id="a character more"),
        pytest.param("bf-" + "x" * 10_000, "unknown API key", id="endless"),
        pytest.param("\ud800", "unknown API key", id="not even UTF-8"),
    ],
)
def test_a_refusal_says_why_and_does_not_echo_the_key(secret, said):
    with pytest.raises(BadKey) as refused:
        KeyRing.of([_record()]).record_of(secret, NOW)
    assert said in refused.value.message
    assert refused.value.status == 401
    assert not secret or secret not in refused.value.message


def test_a_key_ends_at_its_hour_and_the_refusal_says_so():
    key = new_key("search", 60.0, NOW)
    ring = KeyRing.of([key.record])
    assert ring.record_of(key.secret, NOW + 59.9).team == "search"
    with pytest.raises(BadKey, match="expired") as refused:
        ring.record_of(key.secret, NOW + 60.0)
    assert key.secret not in refused.value.message


@pytest.mark.parametrize(
    "scopes",
    [
        pytest.param((), id="plain"),
        pytest.param((OPERATE,), id="an operator's"),
        pytest.param((OPERATE, METRICS), id="two rights"),
    ],
)
def test_a_key_asks_for_answers(scopes):
    check_asks(new_key("search", None, NOW, scopes=scopes).record)


def test_a_key_for_metrics_alone_asks_for_none_and_an_endpoint_without_keys_for_any():
    key = new_key("search", None, NOW, scopes=(METRICS,))
    with pytest.raises(NotAllowed, match="reads metrics and nothing else") as refused:
        check_asks(key.record)
    assert refused.value.status == 403
    check_asks(None)


def test_there_is_no_other_right():
    with pytest.raises(ValueError, match="scopes of team search: allowed: operate, metrics"):
        new_key("search", None, NOW, scopes=("rule",))


def test_an_endpoint_without_keys_lets_everyone_in_but_a_ring_without_keys_nobody():
    assert team_of(NoKeys().record_of(None, NOW)) == OPEN_TEAM
    with pytest.raises(BadKey):
        KeyRing.of([]).record_of("bf-a", NOW)


@pytest.mark.parametrize(
    "team",
    ["a", "7", "search", "team-7", "a" * 32],
)
def test_a_team_may_be_called(team):
    assert new_key(team, None, NOW).record.team == team


@pytest.mark.parametrize(
    "team",
    ["", "-a", "A", "a_b", "a" * 33, "a b", 'a"', "a\n", "équipe"],
)
def test_a_team_may_not_be_called(team):
    with pytest.raises(ValueError, match="allowed: 1 to 32"):
        new_key(team, None, NOW)


@pytest.mark.parametrize("digest", ["", "f" * 63, "F" * 64, "g" * 64])
def test_a_record_needs_a_whole_sha256(digest):
    with pytest.raises(ValueError, match="64 characters"):
        KeyRecord(Team("a"), digest)


def test_one_key_of_two_teams_is_refused():
    with pytest.raises(ValueError, match="twice"):
        KeyRing.of([_record("a"), _record("b")])


def test_teams_are_bounded_but_a_team_may_have_many_keys():
    many = [_record(f"t{i}", f"bf-{i}") for i in range(MAX_TEAMS)]
    ring = KeyRing.of([*many, _record("t0", "bf-second")])
    assert len(ring) == MAX_TEAMS + 1
    assert ring.record_of("bf-second", NOW).team == "t0"
    with pytest.raises(ValueError, match="at most 1000"):
        KeyRing.of([*many, _record("one-more", "bf-more")])


@given(st.text(max_size=300))
def test_no_text_but_the_key_is_let_in(secret):
    key = new_key("search", None, NOW)
    with pytest.raises(BadKey):
        KeyRing.of([key.record]).record_of(secret, NOW)


def test_the_next_expiry_of_a_team_is_of_its_keys_that_still_hold() -> None:
    def record(team: str, mark: str, expires_at: float | None) -> KeyRecord:
        return KeyRecord(Team(team), mark * 64, expires_at)

    records = [
        record("red", "a", 50.0),
        record("red", "b", 300.0),
        record("red", "c", 200.0),
        record("blue", "d", None),
        record("green", "e", 100.0),
    ]
    assert next_expiries(records, now=100.0) == {"red": 200.0}
