"""A model that is away: its requests wait, another model answers them, or they are refused."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from serving.catalog import CATALOG, Modes
from serving.gateway import StandingOrders
from serving.gateway.loading import ENGINE_START_S
from serving.gateway.orders import DRAINED, POOL, Order
from serving.gateway.targets import PoolState, PoolStatus
from serving.routing.absence import Policy
from serving.values import ModelName, Outcome, Target, TargetId
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import DENSE, MOE, Peer, Recorder, gateway, serving

HOLD_S = 0.8
QUICK, WAITS = Policy(instead=MOE), Policy(HOLD_S)


class World:
    """A source that says what each test wants it to say."""

    def __init__(self, dense: str | None, moe: str | None) -> None:
        self.found = {DENSE: self.at(dense), MOE: self.at(moe)}

    @staticmethod
    def at(url: str | None) -> PoolStatus:
        if url is None:
            return PoolStatus(PoolState.LOADING, since=time.time())
        return PoolStatus(PoolState.RUNNING, (Target(TargetId(url), url),))

    async def pools(self, session: aiohttp.ClientSession) -> Mapping[ModelName, PoolStatus]:
        return dict(self.found)


def dense(**fields: Any) -> dict[str, Any]:
    return {"model": DENSE, **fields}


STREAM = peers.streamed(peers.ANSWER)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["pocket-dense", "fast", "auto"])
async def test_another_model_answers_and_the_headers_say_so(
    ask: Ask, model: str, stream: bool
) -> None:
    """Whoever asked for it by name, too."""
    peer, observer = Peer([STREAM if stream else peers.said()]), Recorder()
    async with (
        serving(peer) as moe,
        gateway(sources=[World(None, moe)], away=QUICK, observer=observer) as url,
    ):
        got = await ask(url, model=model, stream=stream)
    told = {
        name: got.headers.get(f"x-bifocal-{name}") for name in ("model", "instead-of", "reason")
    }
    assert got.status == 200
    assert told == {"model": MOE, "instead-of": DENSE, "reason": "stands in"}
    (received,) = peer.received
    assert received.body["model"] == MOE
    assert [event.route.model for event in observer.routed] == [DENSE, MOE]
    last = await observer.last()
    assert (last.outcome, last.route and last.route.model) == (Outcome.OK, MOE)


async def test_the_body_is_made_for_whoever_answers_from_what_the_client_sent(ask: Ask) -> None:
    """The presets of the one that is away are not the other's."""
    quantised = {**CATALOG, DENSE: replace(CATALOG[DENSE], context=10**6)}
    peer = Peer([peers.said()])
    async with (
        serving(peer) as moe,
        gateway(sources=[World(None, moe)], away=QUICK, facts=quantised) as url,
    ):
        got = await ask(url, **dense(temperature=0.1))
    assert got.status == 200
    body = peer.received[0].body
    assert body["temperature"] == 0.1
    assert "max_tokens" not in body  # the other's context is smaller than our cap


async def test_an_answer_of_its_own_model_says_nothing_of_another(ask: Ask) -> None:
    async with (
        serving(Peer([peers.said()])) as replica,
        gateway(sources=[World(replica, replica)], away=QUICK) as url,
    ):
        got = await ask(url, **dense())
    assert got.headers["x-bifocal-model"] == DENSE
    assert "x-bifocal-instead-of" not in got.headers


async def test_without_another_it_is_503_with_the_seconds_that_a_start_takes(ask: Ask) -> None:
    async with gateway(sources=[World(None, None)]) as url:
        got = await ask(url, **dense())
    assert (got.status, got.error["code"]) == (503, "pool_loading")
    assert int(got.headers["retry-after"]) == pytest.approx(ENGINE_START_S, abs=1)
    assert got.headers["x-bifocal-model"] == DENSE


async def test_with_both_away_it_is_told_when_the_first_of_them_is_there(ask: Ask) -> None:
    world = World(None, None)
    world.found[MOE] = PoolStatus(PoolState.LOADING, since=time.time() - ENGINE_START_S + 20)
    async with gateway(sources=[world], away=QUICK) as url:
        got = await ask(url, **dense())
    assert (got.status, got.error["code"]) == (503, "pool_loading")
    assert int(got.headers["retry-after"]) == pytest.approx(20, abs=1)
    assert "pocket-moe, which answers instead, is not ready either" in got.error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_waits_for_its_model_and_is_answered_by_it(ask: Ask, stream: bool) -> None:
    world = World(None, None)
    async with (
        serving(Peer([STREAM if stream else peers.said()])) as replica,
        gateway(sources=[world], away=Policy(30)) as url,
    ):
        asking = asyncio.create_task(ask(url, **dense(stream=stream)))
        await asyncio.sleep(0.3)
        assert not asking.done()
        world.found[DENSE] = world.at(replica)
        got = await asyncio.wait_for(asking, 5)
    assert got.status == 200
    assert got.headers["x-bifocal-model"] == DENSE
    assert "x-bifocal-instead-of" not in got.headers


async def test_it_waits_as_long_as_the_file_says_and_then_another_answers(ask: Ask) -> None:
    began = time.monotonic()
    async with (
        serving(Peer([peers.said()])) as moe,
        gateway(sources=[World(None, moe)], away=Policy(HOLD_S, MOE)) as url,
    ):
        got = await ask(url, **dense())
    assert got.headers["x-bifocal-instead-of"] == DENSE
    assert HOLD_S <= time.monotonic() - began < HOLD_S + 1


async def test_nothing_of_a_stream_is_sent_while_it_is_not_known_who_answers(
    client: aiohttp.ClientSession,
) -> None:
    """A comment would be a 200, and then it could not be refused any more."""
    body = dense(stream=True, messages=[{"role": "user", "content": "7 + 7"}])
    async with gateway(sources=[World(None, None)], away=WAITS, keep_alive_s=0.1) as url:
        began = time.monotonic()
        async with client.post(f"{url}/v1/chat/completions", json=body) as response:
            assert response.status == 503
            assert int(response.headers["retry-after"]) > 1
            assert time.monotonic() - began >= HOLD_S


async def test_comments_come_once_it_is_known(client: aiohttp.ClientSession) -> None:
    world = World(None, None)
    body = dense(stream=True, messages=[{"role": "user", "content": "7 + 7"}])
    slow = peers.streamed(0.5, peers.ANSWER)
    async with (
        serving(Peer([slow])) as replica,
        gateway(sources=[world], away=Policy(30), keep_alive_s=0.1) as url,
    ):
        asking = asyncio.create_task(
            client.post(f"{url}/v1/chat/completions", json=body).__aenter__()
        )
        await asyncio.sleep(0.4)
        assert not asking.done()
        world.found[DENSE] = world.at(replica)
        response = await asyncio.wait_for(asking, 5)
        assert (await response.read()).count(b": ") >= 2


async def test_a_client_that_hangs_up_while_it_waits_frees_its_place(ask: Ask) -> None:
    observer = Recorder()
    async with gateway(sources=[World(None, None)], away=Policy(30), observer=observer) as url:
        asking = asyncio.create_task(ask(url, **dense()))
        await asyncio.sleep(0.4)
        assert observer.now == 1
        asking.cancel()
        last = await observer.last()
    assert (last.outcome, last.error_code) == (Outcome.ABORTED, None)


async def test_who_waits_holds_a_place_and_half_of_the_places_are_left_to_others(ask: Ask) -> None:
    observer = Recorder()
    async with (
        serving(Peer([peers.said()])) as moe,
        gateway(
            sources=[World(None, moe)], away=Policy(30), observer=observer, concurrentRequests=4
        ) as url,
    ):
        waiting = [asyncio.create_task(ask(url, **dense())) for _ in range(2)]
        await asyncio.sleep(0.3)
        third = await asyncio.wait_for(ask(url, **dense()), 5)
        others = await asyncio.gather(*(ask(url, model=MOE) for _ in range(2)))
        for each in waiting:
            each.cancel()
        await observer.last()
        another = asyncio.create_task(ask(url, **dense()))
        await asyncio.sleep(0.3)
        assert not another.done()
        another.cancel()
    assert (third.status, third.error["code"]) == (503, "pool_loading")
    assert [other.status for other in others] == [200, 200]


async def test_no_longer_than_the_longest_answer(ask: Ask) -> None:
    """A file cannot say so; a clock that jumps can."""
    async with gateway(sources=[World(None, None)], away=Policy(30), longest_answer_s=0.5) as url:
        got = await ask(url, **dense())
    assert got.status == 504


async def test_a_pool_that_failed_to_start_is_not_waited_for(ask: Ask) -> None:
    world = World(None, None)
    world.found[DENSE] = PoolStatus(PoolState.FAILED)
    async with (
        serving(Peer([peers.said()])) as moe,
        gateway(sources=[world], away=Policy(30, MOE)) as url,
    ):
        world.found[MOE] = world.at(moe)
        await asyncio.sleep(0.3)
        got = await asyncio.wait_for(ask(url, **dense()), 5)
    assert got.headers["x-bifocal-instead-of"] == DENSE


async def test_what_an_operator_drains_goes_elsewhere_at_once(ask: Ask) -> None:
    standing = StandingOrders()
    standing.learn([Order(POOL + DENSE, DRAINED, time.time(), "me")], time.time())
    dense_peer = Peer([peers.said()])
    async with (
        serving(dense_peer) as replica,
        serving(Peer([peers.said()])) as moe,
        gateway(sources=[World(replica, moe)], away=Policy(30, MOE), standing=standing) as url,
    ):
        got = await asyncio.wait_for(ask(url, **dense()), 5)
    assert got.headers["x-bifocal-instead-of"] == DENSE
    assert not dense_peer.received


async def test_nobody_is_sent_to_a_stand_in_that_is_drained(ask: Ask) -> None:
    standing = StandingOrders()
    standing.learn([Order(POOL + MOE, DRAINED, time.time(), "me")], time.time())
    peer = Peer([peers.said()])
    async with (
        serving(peer) as moe,
        gateway(sources=[World(None, moe)], away=QUICK, standing=standing) as url,
    ):
        got = await ask(url, **dense())
    assert (got.status, peer.received) == (503, [])


async def test_a_replica_that_nobody_reaches_is_a_pool_that_is_away(ask: Ask) -> None:
    """It died and is started again: until Ray says so, its address is still named."""
    async with (
        serving(Peer([peers.said()])) as moe,
        gateway(sources=[World(peers.closed_port(), moe)], away=QUICK) as url,
    ):
        got = await ask(url, **dense())
    assert (got.status, got.headers.get("x-bifocal-instead-of")) == (200, DENSE)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def test_what_a_replica_has_seen_goes_nowhere_else(ask: Ask) -> None:
    """It may be what broke it."""
    moe_peer = Peer([peers.said()])
    async with (
        await asyncio.start_server(hang_up, "127.0.0.1", 0) as server,
        serving(moe_peer) as moe,
    ):
        port = server.sockets[0].getsockname()[1]
        world = World(f"http://127.0.0.1:{port}", moe)
        async with gateway(sources=[world], away=Policy(30, MOE)) as url:
            got = await asyncio.wait_for(ask(url, **dense()), 10)
    assert (got.status, got.error["code"]) == (503, "engine_unavailable")
    assert not moe_peer.received


async def test_a_mode_that_the_other_does_not_have_is_not_given_up(ask: Ask) -> None:
    plain = {**CATALOG, MOE: replace(CATALOG[MOE], modes=Modes.PLAIN_ONLY)}
    async with (
        serving(Peer([peers.said()])) as moe,
        gateway(sources=[World(None, moe)], away=QUICK, facts=plain) as url,
    ):
        thinks = await ask(url, **dense(reasoning_effort="high"))
        answers = await ask(url, **dense(reasoning_effort="none"))
    assert (thinks.status, answers.status) == (503, 200)
    assert "pocket-moe, which answers instead, cannot take this request" in thinks.error["message"]


async def test_a_prompt_that_is_too_long_for_the_other_waits_for_its_own(ask: Ask) -> None:
    """That it is too long for a model that nobody asked for is no answer."""
    refused = peers.refused("This model's maximum context length is 8 tokens.", 400, "input_tokens")
    async with (
        serving(Peer([refused])) as moe,
        gateway(sources=[World(None, moe)], away=QUICK) as url,
    ):
        got = await ask(url, **dense())
    assert (got.status, got.error["code"]) == (503, "pool_loading")
    assert got.headers["x-bifocal-model"] == DENSE
    assert "x-bifocal-instead-of" not in got.headers


async def test_a_stand_in_has_no_stand_in(ask: Ask) -> None:
    """The other one's answer would be the third model's, of which the file says nothing here."""
    async with gateway(sources=[World(None, peers.closed_port())], away=QUICK) as url:
        got = await ask(url, **dense())
    assert (got.status, got.headers["x-bifocal-model"]) == (503, DENSE)


async def test_the_engines_time_is_counted_from_when_it_is_there(ask: Ask) -> None:
    """The wait is not the engine's: its first byte has as long as ever."""
    world = World(None, None)
    async with (
        serving(Peer([peers.streamed(0.5, peers.ANSWER)])) as replica,
        gateway(sources=[world], away=Policy(30), timeToFirstByte="1s") as url,
    ):
        asking = asyncio.create_task(ask(url, **dense(stream=True)))
        await asyncio.sleep(1.0)
        world.found[DENSE] = world.at(replica)
        got = await asyncio.wait_for(asking, 5)
    assert got.status == 200
    assert b"error" not in got.body
