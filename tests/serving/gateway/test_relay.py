"""Answers on their way: what fails, and what the client then sees."""

import asyncio
import contextlib
import json
import socket
import time

import aiohttp
import pytest

from serving.gateway import silence
from serving.gateway.replica import Attempt
from serving.values import Outcome, Usage
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import Peer, Recorder, gateway, serving


def events(body: bytes) -> list[bytes]:
    return [part for part in body.split(b"\n\n") if part and not part.startswith(b":")]


def error_in(body: bytes) -> dict[str, str]:
    """Of a stream that ended in one, on an event boundary."""
    assert body.endswith(b"\n\n")
    error, done = events(body)[-2:]
    assert done == b"data: [DONE]"
    found: dict[str, str] = json.loads(error.removeprefix(b"data: "))["error"]
    return found


async def test_a_stream_passes_byte_for_byte_without_the_usage_nobody_asked_for(ask: Ask) -> None:
    observer = Recorder()
    async with (
        serving(Peer([peers.streamed(peers.ANSWER)])) as replica,
        gateway(replica, observer=observer) as url,
    ):
        got = await ask(url, stream=True)

    assert got.body == peers.ANSWER.replace(peers.USAGE, b"")
    assert got.headers["content-type"].startswith("text/event-stream")
    record = await observer.last()
    assert (record.outcome, record.usage, record.stream) == (Outcome.OK, Usage(3, 2), True)
    assert record.ttft_s is not None


async def test_usage_that_was_asked_for_stays(ask: Ask) -> None:
    async with serving(Peer([peers.streamed(peers.ANSWER)])) as replica, gateway(replica) as url:
        got = await ask(url, stream=True, stream_options={"include_usage": True})
    assert got.body == peers.ANSWER


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_oddly_split_bytes_make_the_same_answer(ask: Ask, size: int) -> None:
    blocks = [peers.ANSWER[at : at + size] for at in range(0, len(peers.ANSWER), size)]
    async with serving(Peer([peers.streamed(*blocks)])) as replica, gateway(replica) as url:
        got = await ask(url, stream=True)
    assert got.body == peers.ANSWER.replace(peers.USAGE, b"")


async def test_a_whole_answer_passes_and_is_counted(ask: Ask) -> None:
    observer = Recorder()
    async with serving(Peer([peers.said()])) as replica, gateway(replica, observer=observer) as url:
        got = await ask(url)
    assert got.json["choices"][0]["message"]["content"] == "fourteen"
    assert (await observer.last()).usage == Usage(3, 2)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_replica_that_cannot_be_reached_is_replaced_by_another(
    ask: Ask, stream: bool
) -> None:
    observer = Recorder()
    answer = peers.streamed(peers.ANSWER) if stream else peers.said()
    async with (
        serving(Peer([answer])) as replica,
        gateway(peers.closed_port(), replica, observer=observer) as url,
    ):
        statuses = [(await ask(url, stream=stream)).status for _ in range(4)]

    assert statuses == [200] * 4
    assert set(observer.failures) == {"unreachable"}
    assert sum(record.retries for record in observer.finished) == len(observer.failures)


async def test_without_a_replica_that_answers_it_is_503_with_the_time_to_come_back(
    ask: Ask,
) -> None:
    observer = Recorder()
    async with gateway(peers.closed_port(), peers.closed_port(), observer=observer) as url:
        got = await ask(url)
    assert (got.status, got.error["code"], got.headers["retry-after"]) == (
        503, "engine_unavailable", "5",
    )  # fmt: skip
    assert observer.failures == ["unreachable"] * 2
    assert (await observer.last()).outcome is Outcome.ENGINE_ERROR


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(peers.streamed(peers.FAILURE, peers.DONE), id="an error event"),
        pytest.param(peers.streamed(peers.ROLE, peers.FAILURE, peers.DONE), id="after the role"),
        pytest.param(peers.broken(peers.ROLE), id="broken after the role"),
        pytest.param(peers.streamed(peers.ROLE), id="ended after the role"),
        pytest.param(peers.refused("no", 500), id="500"),
        pytest.param(peers.whole(b"Service Unavailable", 503), id="503"),
        pytest.param(peers.refused("token", 401), id="401"),
    ],
)
async def test_a_failure_before_any_content_is_tried_again_elsewhere(
    ask: Ask, bad: peers.Answer
) -> None:
    observer = Recorder()
    peer = Peer([bad, peers.streamed(peers.ANSWER)])
    async with serving(peer) as replica, gateway(replica, observer=observer) as url:
        got = await ask(url, stream=True)

    assert (got.status, got.body) == (200, peers.ANSWER.replace(peers.USAGE, b""))
    assert len(peer.received) == 2
    assert len(observer.failures) == 1
    assert (await observer.last()).retries == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(peers.whole(b"", 503), "refused", id="503"),
        pytest.param(peers.refused("later", 429), "refused", id="429"),
        pytest.param(peers.refused("no", 500), "failed", id="500"),
    ],
)
async def test_a_failure_is_counted_as_what_it_is(ask: Ask, bad: peers.Answer, reason: str) -> None:
    observer = Recorder()
    async with (
        serving(Peer([bad, peers.said()])) as replica,
        gateway(replica, observer=observer) as url,
    ):
        assert (await ask(url)).status == 200
    assert observer.failures == [reason]


async def test_an_engine_that_only_fails_is_an_error_before_the_first_byte(ask: Ask) -> None:
    peer = Peer([peers.streamed(peers.FAILURE, peers.DONE)])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, stream=True)
    assert (got.status, got.error["code"]) == (502, "engine_failed")
    assert "EngineCore" not in got.error["message"]
    assert len(peer.received) == 2


DRIP: list[bytes | float] = [peers.delta(content="x"), 0.01] * 900
HALF = peers.ROLE + peers.delta(content="four")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(peers.streamed(HALF, peers.FAILURE, peers.DONE), id="an error event"),
        pytest.param(peers.broken(HALF), id="the connection breaks"),
        pytest.param(peers.broken(HALF, b'data: {"id":"c","cho'), id="in the middle of an event"),
        pytest.param(peers.streamed(HALF), id="a silent end"),
    ],
)
async def test_after_content_a_failure_is_an_event_and_nothing_is_tried_again(
    ask: Ask, bad: peers.Answer
) -> None:
    observer = Recorder()
    peer = Peer([bad])
    async with serving(peer) as replica, gateway(replica, observer=observer) as url:
        got = await ask(url, stream=True)

    assert got.body.startswith(HALF)
    assert error_in(got.body)["code"] == "engine_failed"
    assert len(events(got.body)) == 4
    assert len(peer.received) == 1
    record = await observer.last()
    assert (record.outcome, record.error_code) == (Outcome.ENGINE_ERROR, "engine_failed")


async def test_a_replica_does_not_send_us_elsewhere(ask: Ask) -> None:
    elsewhere = Peer([peers.said()])
    async with serving(elsewhere) as other:

        async def redirect(send: peers.Send) -> None:
            headers = [(b"location", other.encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 307, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        async with serving(Peer([redirect])) as replica, gateway(replica) as url:
            assert (await ask(url)).status == 502
    assert elsewhere.received == []


async def test_what_the_engine_refuses_is_told_and_not_tried_again(ask: Ask) -> None:
    peer = Peer([peers.refused("bad grammar", 400, "structured_outputs")])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url)
    assert got.status == 400
    assert (got.error["message"], got.error["param"]) == ("bad grammar", "structured_outputs")
    assert len(peer.received) == 1


async def test_an_answer_that_cannot_fit_in_the_context_reaches_no_engine(ask: Ask) -> None:
    peer = Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, max_tokens=4096)
    assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
    assert got.error["param"] == "max_tokens"
    assert "has a context of 4096 tokens" in got.error["message"]
    assert not peer.received


async def test_a_prompt_that_does_not_fit_is_a_context_overflow(ask: Ask) -> None:
    peer = Peer([peers.refused("This model's maximum context length is 4096 tokens.", 400)])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url)
    assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
    assert len(peer.received) == 1


async def test_our_own_cap_is_left_out_where_it_does_not_fit(ask: Ask) -> None:
    overflow = peers.refused("This model's maximum context length is 4096 tokens.", 400)
    peer = Peer([overflow, peers.said()])
    caps = {"plain": 100, "thinking": 100}
    async with serving(peer) as replica, gateway(replica, outputTokens=caps) as url:
        got = await ask(url)
    assert got.status == 200
    assert [received.body.get("max_tokens") for received in peer.received] == [100, None]


async def test_a_silent_stream_is_kept_alive_by_comments(ask: Ask) -> None:
    answer = peers.streamed(0.35, HALF, 0.35, peers.DONE)
    async with serving(Peer([answer])) as replica, gateway(replica, keep_alive_s=0.1) as url:
        got = await ask(url, stream=True)
    before, after = got.body.split(HALF)
    assert before.count(b": keep-alive\n\n") in (2, 3, 4)
    assert after.count(b": keep-alive\n\n") in (2, 3, 4)
    assert after.endswith(b"data: [DONE]\n\n")


async def test_after_a_comment_an_error_is_an_event(ask: Ask) -> None:
    answer = peers.streamed(0.3, peers.FAILURE, peers.DONE)
    async with serving(Peer([answer])) as replica, gateway(replica, keep_alive_s=0.1) as url:
        got = await ask(url, stream=True)
    assert got.status == 200
    assert error_in(got.body)["code"] == "engine_failed"


async def test_no_first_byte_in_time_is_504(ask: Ask) -> None:
    observer = Recorder()
    peer = Peer([peers.silent])
    async with (
        serving(peer) as replica,
        gateway(replica, observer=observer, timeToFirstByte="200ms") as url,
    ):
        got = await ask(url, stream=True)
        await asyncio.wait_for(peer.hung_up.wait(), 1)
    assert (got.status, got.error["code"]) == (504, "timeout")
    record = await observer.last()
    assert (record.outcome, observer.failures) == (Outcome.TIMEOUT, ["timeout"])


@pytest.mark.parametrize(
    ("answer", "stream"),
    [
        pytest.param(peers.silent, False, id="whole"),
        pytest.param(peers.streamed(HALF, 5.0), True, id="stream"),
    ],
)
async def test_the_longest_answer_ends_every_answer(
    ask: Ask, answer: peers.Answer, stream: bool
) -> None:
    peer = Peer([answer])
    async with serving(peer) as replica, gateway(replica, longest_answer_s=0.3) as url:
        got = await ask(url, stream=stream)
        await asyncio.wait_for(peer.hung_up.wait(), 1)
    error = error_in(got.body) if stream else got.error
    assert (got.status, error["code"]) == (200 if stream else 504, "timeout")


def comments() -> int:
    """That wait to be sent."""
    return sum("Reply.comment" in repr(task) for task in asyncio.all_tasks())


async def test_a_client_that_does_not_read_is_the_fault_of_no_replica() -> None:
    """What waits for it is one comment, however long it takes nothing."""
    wave = peers.delta(content="x" * 64 * 1024)
    peer, observer = Peer([peers.streamed(*[wave] * 400, 5.0)]), Recorder()
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
    head += f"content-length: {len(body)}\r\n"
    async with (
        serving(peer) as replica,
        gateway(replica, observer=observer, keep_alive_s=0.1, longest_answer_s=1.0) as url,
    ):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            client.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            await asyncio.sleep(0.8)
            assert comments() == 1
            record = await observer.last()
    assert (record.outcome, record.error_code) == (Outcome.CLIENT_ERROR, "request_timeout")
    assert observer.failures == []


async def test_a_whole_answer_may_take_longer_than_a_first_byte(ask: Ask) -> None:
    async def slow(send: peers.Send) -> None:
        await asyncio.sleep(0.4)
        await peers.said()(send)

    async with serving(Peer([slow])) as replica, gateway(replica, timeToFirstByte="100ms") as url:
        assert (await ask(url)).status == 200


@pytest.mark.parametrize(
    ("answer", "stream"),
    [
        pytest.param(peers.silent, True, id="before the first byte"),
        pytest.param(peers.silent, False, id="of a whole answer"),
        pytest.param(peers.streamed(HALF, *DRIP), True, id="amid"),
    ],
)
async def test_a_client_that_hangs_up_ends_the_generation_within_a_second(
    client: aiohttp.ClientSession, answer: peers.Answer, stream: bool
) -> None:
    observer = Recorder()
    peer = Peer([answer])
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": stream}
    async with serving(peer) as replica, gateway(replica, observer=observer) as url:
        work = asyncio.create_task(_read_on(client, url, body))
        await peer.arrived.wait()
        await asyncio.sleep(0.1)
        work.cancel()
        left = time.monotonic()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await asyncio.wait_for(peer.hung_up.wait(), 10)
        assert time.monotonic() - left < 1
    record = await observer.last()
    assert (record.outcome, record.status) == (Outcome.ABORTED, 499)
    assert (len(peer.received), observer.failures) == (1, [])


async def _read_on(client: aiohttp.ClientSession, url: str, body: object) -> None:
    async with client.post(url + "/v1/chat/completions", json=body) as response:
        await response.read()


async def test_many_streams_at_once_are_neither_lost_nor_mixed_up(
    client: aiohttp.ClientSession,
) -> None:
    async def echo(scope: dict[str, object], receive: object, send: peers.Send) -> None:
        message = await receive()  # type: ignore[operator]
        asked = json.loads(message["body"])["messages"][0]["content"]
        parts = [peers.delta(content=letter) for letter in asked]
        await peers.streamed(peers.ROLE, *parts, peers.USAGE + peers.DONE)(send)

    async def one(url: str, number: int) -> str:
        question = f"question {number}"
        body = {"messages": [{"role": "user", "content": question}], "stream": True}
        async with client.post(url + "/v1/chat/completions", json=body) as response:
            got = events(await response.read())
        chunks = [json.loads(part.removeprefix(b"data: ")) for part in got[:-1]]
        return "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)

    async with serving(echo) as replica, gateway(replica) as url:
        answers = await asyncio.gather(*(one(url, number) for number in range(64)))
    assert answers == [f"question {number}" for number in range(64)]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_stuck_replica_is_given_up_and_another_one_answers(
    ask: Ask, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.2)
    stuck = Peer([peers.silent])
    good = Peer([peers.streamed(peers.ANSWER) if stream else peers.said()])
    async with serving(stuck) as one, serving(good) as two, gateway(one, two) as url:
        asking = [asyncio.create_task(ask(url, stream=stream)) for _ in range(2)]
        await asyncio.wait_for(stuck.arrived.wait(), 5)
        stuck.healthy = False
        answers = await asyncio.wait_for(asyncio.gather(*asking), 5)
        assert [got.status for got in answers] == [200, 200]
        await asyncio.wait_for(stuck.hung_up.wait(), 5)
        await ask(url, stream=stream)
    assert len(stuck.received) == 1


async def test_a_stream_on_a_stuck_replica_ends_in_an_error_event(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.2)
    stuck, observer = Peer([peers.streamed(HALF, 60.0)]), Recorder()
    async with serving(stuck) as replica, gateway(replica, observer=observer) as url:
        asking = asyncio.create_task(ask(url, stream=True))
        await asyncio.wait_for(stuck.arrived.wait(), 5)
        stuck.healthy = False
        got = await asyncio.wait_for(asking, 5)
    assert error_in(got.body)["code"] == "engine_unavailable"
    assert observer.failures == ["silent"]


async def test_a_replica_that_says_it_is_well_may_be_silent(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.1)
    monkeypatch.setattr(silence, "GIVE_UP_AFTER_S", 0.3)
    peer = Peer([peers.streamed(peers.ROLE, 0.8, peers.delta(content="x"), peers.DONE)])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, stream=True)
    assert b"error" not in got.body
    assert len(peer.received) == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_of_either_kind_ends_the_silence(
    ask: Ask, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[float] = []
    monkeypatch.setattr(Attempt, "heard", lambda _, now: heard.append(now))
    peer = Peer([peers.streamed(peers.ANSWER) if stream else peers.said()])
    async with serving(peer) as replica, gateway(replica) as url:
        assert (await ask(url, stream=stream)).status == 200
    assert heard


async def test_an_engine_that_died_is_not_asked_a_second_time(ask: Ask) -> None:
    peer = Peer([peers.streamed(peers.FAILURE, peers.DONE)], healthy=False)
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, stream=True)
        again = await ask(url)
    assert (got.status, got.error["code"]) == (503, "engine_unavailable")
    assert (again.status, again.headers["retry-after"]) == (503, "5")
    assert len(peer.received) == 1
