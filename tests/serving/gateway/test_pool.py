"""What is known of replicas, as timelines."""

import pytest

from serving.errors import EngineUnavailable, PoolLoading
from serving.gateway.models import readiness
from serving.gateway.pool import LOAD_STALE_S, Pools
from serving.gateway.replica import Attempt
from serving.gateway.silence import ASK_AFTER_S, GIVE_UP_AFTER_S, Health
from serving.gateway.targets import PoolState, PoolStatus
from serving.values import Load, ModelName, ReplicaSnapshot, Target, TargetId

NAME = ModelName("pocket-dense")
START_S = 70.0
A, B = (Target(TargetId(name), f"http://{name}") for name in "ab")
BUSY = Load(running=5, waiting=1, kv_cache_usage=0.5)


def running(*targets: Target) -> dict[ModelName, PoolStatus]:
    return {NAME: PoolStatus(PoolState.RUNNING, targets)}


def pools_with(*targets: Target) -> Pools:
    pools = Pools({NAME: START_S})
    pools.update(running(*targets))
    return pools


def begin(
    pools: Pools, target: Target, tokens: int = 1, now: float = 0, gone: list[str] | None = None
) -> Attempt:
    gone = [] if gone is None else gone
    return pools.begin(NAME, target, tokens, now, lambda: gone.append("given up"))


def of(pools: Pools, target: Target) -> ReplicaSnapshot:
    return {r.target.id: r for r in pools.snapshot(NAME).replicas}[target.id]


def test_what_is_in_flight_is_counted_and_uncounted() -> None:
    pools = pools_with(A)
    attempt = begin(pools, A, 100)
    begin(pools, A, 50)
    attempt.end()
    assert (of(pools, A).tokens_in_flight, of(pools, A).requests_in_flight) == (50, 1)


def test_what_a_door_counts_beyond_ours_is_foreign() -> None:
    pools = pools_with(A)
    begin(pools, A, 100)
    pools.answered(NAME, A.id, BUSY, now=1)
    assert (of(pools, A).load, of(pools, A).foreign_requests) == (BUSY, 5)


def test_a_load_that_is_old_is_forgotten() -> None:
    pools = pools_with(A)
    pools.answered(NAME, A.id, BUSY, now=1)
    pools.forget(now=1 + LOAD_STALE_S)
    assert of(pools, A).load == BUSY
    pools.forget(now=1.1 + LOAD_STALE_S)
    assert (of(pools, A).load, of(pools, A).foreign_requests) == (None, 0)


def test_a_failure_lasts_until_the_replica_answers() -> None:
    pools = pools_with(A, B)
    pools.failed(NAME, A.id)
    pools.update(running(A, B))
    assert pools.doubtful(now=1) == [(NAME, A)]
    assert {pools.choose(NAME, now=1).id for _ in range(4)} == {B.id}
    pools.answered(NAME, A.id, None, now=2)
    assert pools.doubtful(now=2) == []


def test_what_is_in_flight_survives_a_refresh_and_ends_with_the_replica() -> None:
    pools = pools_with(A, B)
    attempt = begin(pools, A, 100)
    pools.update(running(A))
    assert of(pools, A).tokens_in_flight == 100
    pools.update(running(B))
    attempt.end()
    pools.answered(NAME, A.id, BUSY, now=2)
    pools.failed(NAME, A.id)
    assert [r.target for r in pools.snapshot(NAME).replicas] == [B]


def test_replicas_are_kept_while_their_source_cannot_name_them() -> None:
    pools = pools_with(A)
    begin(pools, A, 100)
    pools.update({NAME: PoolStatus(PoolState.LOADING, complete=False)})
    assert of(pools, A).tokens_in_flight == 100
    assert pools.choose(NAME, now=1) == A
    pools.update({NAME: PoolStatus(PoolState.LOADING)})
    with pytest.raises(PoolLoading):
        pools.choose(NAME, now=2)


def test_a_request_ends_on_the_replica_it_began_on_though_it_was_lost_and_found() -> None:
    pools = pools_with(A)
    attempt = begin(pools, A, 100)
    pools.update(running())
    pools.update(running(A))
    attempt.end()
    assert (of(pools, A).tokens_in_flight, of(pools, A).requests_in_flight) == (0, 0)


def test_a_pool_is_ready_while_one_replica_is_well() -> None:
    pools = pools_with(A, B)
    pools.failed(NAME, A.id)
    assert pools.snapshot(NAME).why_not is None
    pools.failed(NAME, B.id)
    assert pools.snapshot(NAME).why_not == "its replicas do not answer"


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        pytest.param(1000.0, START_S, id="just deployed"),
        pytest.param(1030.0, START_S - 30, id="for half a minute"),
        pytest.param(1068.0, 7, id="a tenth of its age"),
        pytest.param(1200.0, 20, id="longer than expected"),
    ],
)
def test_a_loading_pool_tells_the_seconds_that_are_left(now: float, seconds: float) -> None:
    pools = Pools({NAME: START_S})
    pools.update({NAME: PoolStatus(PoolState.LOADING, since=1000.0)})
    with pytest.raises(PoolLoading, match="it is loading") as caught:
        pools.choose(NAME, now)
    assert caught.value.retry_after_s == seconds


def test_a_start_is_counted_from_the_last_answer_of_the_replica_that_leaves_room_for_it() -> None:
    """Without room beside it the next one starts when it is gone, however long ago that began."""
    pools, leaving = pools_with(A), {NAME: PoolStatus(PoolState.LOADING, since=1000.0)}
    attempt = begin(pools, A)
    seconds = []
    for at in (1, 40, 60, 80):
        if at == 60:
            attempt.end()
        pools.update(leaving, wall=1000.0 + at)
        found = pools.away(NAME, 1000.0 + at)
        assert isinstance(found, PoolLoading)
        seconds.append(found.retry_after_s)
    assert seconds == [START_S, START_S, START_S - 20, START_S - 40]


def test_a_pool_that_is_there_is_not_away() -> None:
    pools = pools_with(A)
    assert pools.away(NAME, 0) is None
    pools.failed(NAME, A.id)
    assert isinstance(pools.away(NAME, 0), EngineUnavailable)


def test_a_pool_that_failed_to_start_is_not_said_to_be_loading() -> None:
    pools = Pools({NAME: START_S})
    pools.update({NAME: PoolStatus(PoolState.FAILED, message="Traceback")})
    with pytest.raises(EngineUnavailable, match="it failed to start") as caught:
        pools.choose(NAME, now=0)
    assert "Traceback" not in caught.value.message


def test_a_pool_whose_replicas_are_ill_sends_nobody_to_them() -> None:
    pools = pools_with(A)
    pools.failed(NAME, A.id)
    assert pools.choose(NAME, now=0) == A  # the only one there is, and not yet asked
    pools.asked(NAME, A.id, Health.ILL, now=1)
    with pytest.raises(EngineUnavailable, match="do not answer"):
        pools.choose(NAME, now=1)
    pools.asked(NAME, A.id, Health.WELL, now=2)
    assert pools.choose(NAME, now=2) == A


def test_one_that_was_away_and_does_not_know_the_question_is_tried_again() -> None:
    pools = pools_with(A)
    pools.failed(NAME, A.id)
    pools.asked(NAME, A.id, Health.GONE, now=1)
    pools.asked(NAME, A.id, Health.UNCLEAR, now=2)
    assert pools.choose(NAME, now=2) == A
    assert pools.snapshot(NAME).ready
    assert pools.doubtful(now=2) == []


def test_a_pool_that_lost_its_replicas_long_after_it_was_deployed_starts_anew() -> None:
    pools = Pools({NAME: START_S})
    pools.update({NAME: PoolStatus(PoolState.RUNNING, since=1000.0)})
    with pytest.raises(PoolLoading) as caught:
        pools.choose(NAME, now=90_000.0)
    assert caught.value.retry_after_s == START_S


def test_a_replica_with_requests_and_no_byte_is_asked_how_it_is() -> None:
    pools = pools_with(A, B)
    attempt = begin(pools, A, now=100)
    assert pools.doubtful(now=100 + ASK_AFTER_S - 0.1) == []
    assert pools.doubtful(now=100 + ASK_AFTER_S) == [(NAME, A)]
    attempt.heard(now=104)
    assert pools.doubtful(now=105) == []
    attempt.end()
    assert pools.doubtful(now=500) == []


def test_the_silence_begins_with_the_first_request_and_not_with_the_latest() -> None:
    pools = pools_with(A)
    for now in range(4):
        begin(pools, A, now=now)
    assert pools.doubtful(now=ASK_AFTER_S) == [(NAME, A)]


def test_what_is_on_a_replica_that_says_it_is_ill_is_given_up_once() -> None:
    pools, gone = pools_with(A, B), list[str]()
    attempt = begin(pools, A, now=0, gone=gone)
    pools.asked(NAME, A.id, Health.ILL, now=5)
    pools.asked(NAME, A.id, Health.ILL, now=6)
    assert gone == ["given up"]
    assert {pools.choose(NAME, now=6) for _ in range(4)} == {B}
    attempt.end()
    assert of(pools, A).requests_in_flight == 0


def test_one_that_does_not_answer_is_left_out_at_once_and_given_up_later() -> None:
    pools, gone = pools_with(A, B), list[str]()
    begin(pools, A, now=0, gone=gone)
    pools.asked(NAME, A.id, Health.WELL, now=5)
    pools.asked(NAME, A.id, Health.MUTE, now=6)
    assert {pools.choose(NAME, now=6) for _ in range(4)} == {B}
    pools.asked(NAME, A.id, Health.MUTE, now=4.9 + GIVE_UP_AFTER_S)
    assert gone == []
    pools.failed(NAME, B.id)
    pools.asked(NAME, B.id, Health.GONE, now=35)
    assert pools.choose(NAME, now=35) == A  # late is better than nobody
    pools.asked(NAME, A.id, Health.MUTE, now=5 + GIVE_UP_AFTER_S)
    assert gone == ["given up"]
    with pytest.raises(EngineUnavailable):
        pools.choose(NAME, now=36)


def test_a_replica_that_is_named_no_more_is_still_watched_while_it_owes_an_answer() -> None:
    pools, gone = pools_with(A), list[str]()
    attempt = begin(pools, A, now=0, gone=gone)
    pools.update(running(B))
    assert pools.doubtful(now=5) == [(NAME, A)]
    pools.update(running(B))
    pools.asked(NAME, A.id, Health.MUTE, now=GIVE_UP_AFTER_S)
    assert gone == ["given up"]
    attempt.end()
    pools.update(running(B))
    assert pools.doubtful(now=100) == []


def test_who_was_ready_stays_so_for_any_though_its_last_pool_is_away() -> None:
    """Else the Service of the gateways leads to nobody, and none says when to come again."""
    pools = Pools({NAME: START_S})
    pools.update({NAME: PoolStatus(PoolState.LOADING)})
    assert not readiness(pools, any_will_do=True)[0]
    pools.update(running(A))
    assert readiness(pools, any_will_do=True)[0]
    pools.update({NAME: PoolStatus(PoolState.MISSING)})
    ready, told = readiness(pools, any_will_do=True)
    assert ready
    assert not told["pools"][NAME]["ready"]
    assert not readiness(pools, any_will_do=False)[0]
