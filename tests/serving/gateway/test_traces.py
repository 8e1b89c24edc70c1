"""What a replica and the record of a request learn of a trace."""

import pytest

from serving.keys import KeyRecord, KeyRing
from serving.routing.absence import Policy
from serving.tracing import Sampler, Stage
from serving.values import Outcome, Team
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import Peer, Recorder, gateway, serving

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=x"}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_replica_goes_on_from_the_attempt(ask: Ask, stream: bool) -> None:
    observer, peer = Recorder(), Peer([peers.streamed(peers.ANSWER) if stream else peers.said()])
    async with (
        serving(peer) as replica,
        gateway(replica, observer=observer, sampler=Sampler(1)) as url,
    ):
        await ask(url, stream=stream, headers=PARENT)

    trace = (await observer.last()).trace
    assert trace is not None
    assert (f"{trace.id:032x}", f"{trace.parent_id:016x}") == (TRACE, SPAN)
    decided, attempt = trace.steps
    assert (decided.stage, attempt.stage) == (Stage.DECIDE, Stage.ATTEMPT)
    assert peer.received[0].headers["traceparent"] == attempt.traceparent
    assert "tracestate" not in peer.received[0].headers
    times = [trace.began, decided.began, decided.ended, attempt.began, attempt.first_byte]
    times += [attempt.first_token] * stream + [attempt.ended]
    assert None not in times
    assert times == sorted(times, key=lambda at: at or 0.0)


async def test_each_attempt_is_told_apart(ask: Ask) -> None:
    observer = Recorder()
    peer = Peer([peers.refused("no", 500), peers.streamed(peers.ANSWER)])
    async with (
        serving(peer) as replica,
        gateway(replica, observer=observer, sampler=Sampler(1)) as url,
    ):
        await ask(url, stream=True, headers=PARENT)

    record = await observer.last()
    assert record.outcome is Outcome.OK
    assert record.trace is not None
    _, failed, well = record.trace.steps
    assert (failed.error, well.error) == ("engine_failed", None)
    told = [received.headers["traceparent"] for received in peer.received]
    assert told == [failed.traceparent, well.traceparent]


@pytest.mark.parametrize(
    ("sampler", "flags"),
    [pytest.param(None, "01", id="off"), pytest.param(Sampler(1), "00", id="not sampled")],
)
async def test_what_is_not_traced_is_told_to_nobody(
    ask: Ask, sampler: Sampler | None, flags: str
) -> None:
    observer, peer = Recorder(), Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica, observer=observer, sampler=sampler) as at:
        await ask(at, headers={"traceparent": f"00-{TRACE}-{SPAN}-{flags}"})
    assert (await observer.last()).trace is None
    assert "traceparent" not in peer.received[0].headers


async def test_who_has_no_key_begins_no_trace(ask: Ask) -> None:
    observer = Recorder()
    keys = KeyRing.of([KeyRecord(Team("search"), "0" * 64)])
    async with gateway(observer=observer, keys=keys, sampler=Sampler(1)) as url:
        got = await ask(url, headers=PARENT)
    assert got.status == 401
    assert (await observer.last()).trace is None


async def test_who_waits_for_a_pool_that_is_away_has_it_in_the_trace(ask: Ask) -> None:
    observer = Recorder()
    away = Policy(hold_for_s=0.2)
    async with gateway(observer=observer, away=away, sampler=Sampler(1)) as url:
        got = await ask(url, model="pocket-dense")
    assert got.status == 503
    trace = (await observer.last()).trace
    assert trace is not None
    assert [step.stage for step in trace.steps] == [Stage.DECIDE, Stage.HOLD]
    held = trace.steps[-1]
    assert held.ended is not None
    assert held.ended - held.began >= 0.2
