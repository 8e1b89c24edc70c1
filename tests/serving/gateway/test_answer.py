"""From a client's body to an engine's: limits, the route in the headers, no prompt in a log."""

import asyncio
import logging
from typing import Any

import aiohttp
import pytest

from serving.values import Mode, Outcome
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import Peer, Recorder, gateway, serving

HELLO = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("fields", "model", "thinking", "reason"),
    [
        pytest.param({}, "pocket-dense", "off", "short and simple", id="auto"),
        pytest.param({"model": "fast"}, "pocket-dense", "off", "fast asked", id="fast"),
        pytest.param({"model": "deep"}, "pocket-moe", "on", "deep asked", id="deep"),
        pytest.param(
            {"model": "pocket-moe", "chat_template_kwargs": {"enable_thinking": False}},
            "pocket-moe",
            "off",
            "thinking switched off",
            id="switch",
        ),
        pytest.param(
            {"model": "pocket-dense", "reasoning_effort": "high"},
            "pocket-dense",
            "on",
            "reasoning effort",
            id="effort",
        ),
        pytest.param(
            {
                "model": "bifocal/pocket-moe",
                "messages": [{"role": "user", "content": "hi /no_think"}],
            },
            "pocket-moe",
            "off",
            "thinking switched off",
            id="id and soft switch",
        ),
    ],
)
async def test_the_decision_stands_in_the_headers_and_in_the_engines_body(
    ask: Ask, fields: dict[str, Any], model: str, thinking: str, reason: str
) -> None:
    peer, observer = Peer([peers.said()]), Recorder()
    async with serving(peer) as replica, gateway(replica, observer=observer) as url:
        got = await ask(url, **fields)
    told = tuple(got.headers[f"x-bifocal-{name}"] for name in ("model", "thinking", "reason"))
    assert told == (model, thinking, reason)
    body = peer.received[0].body
    assert body["model"] == model
    assert body["chat_template_kwargs"] == {"enable_thinking": thinking == "on"}
    assert body["temperature"] == (0.6 if thinking == "on" else 0.7)
    assert "reasoning_effort" not in body
    assert observer.routed[0].route.mode is (Mode.THINKING if thinking == "on" else Mode.PLAIN)


async def test_a_completion_goes_to_its_model_without_a_template(ask: Ask) -> None:
    peer = Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(
            url, path="/v1/completions", data=b'{"model":"pocket-moe","prompt":"once /think"}',
            headers={"content-type": "application/json"},
        )  # fmt: skip
    assert got.status == 200
    assert got.headers["x-bifocal-thinking"] == "off"
    assert peer.received[0].path == "/v1/completions"
    assert "chat_template_kwargs" not in peer.received[0].body


async def test_a_stream_is_told_by_its_headers_too(ask: Ask) -> None:
    async with serving(Peer([peers.streamed(peers.ANSWER)])) as replica, gateway(replica) as url:
        got = await ask(url, stream=True, model="deep")
    assert (got.headers["x-bifocal-model"], got.headers["x-bifocal-thinking"]) == (
        "pocket-moe",
        "on",
    )


@pytest.mark.parametrize(
    ("limits", "sent", "status", "code"),
    [
        pytest.param({"bodySize": "100B"}, {"user": "x" * 100}, 413, "body_too_large", id="body"),
        pytest.param({"jsonDepth": 4}, {"stop": [[[[[]]]]]}, 400, "limit_exceeded", id="depth"),
        pytest.param({"messages": 1}, {"messages": [HELLO] * 2}, 400, "limit_exceeded", id="turns"),
        pytest.param({"choices": 1}, {"n": 2}, 400, "limit_exceeded", id="n"),
        pytest.param({"stops": 1}, {"stop": ["a", "b"]}, 400, "limit_exceeded", id="stops"),
        pytest.param(
            {"logprobs": 1}, {"logprobs": True, "top_logprobs": 2}, 400, "limit_exceeded", id="logp"
        ),
        pytest.param(
            {"schemaSize": "9B"}, {"structured_outputs": {"regex": "a+b+c"}}, 400, "limit_exceeded",
            id="schema",
        ),
        pytest.param(
            {"outputTokens": {"plain": 10}}, {"max_tokens": 11}, 400, "limit_exceeded", id="output"
        ),
        pytest.param(
            {"outputTokens": {"thinking": 10}}, {"model": "deep", "max_tokens": 11}, 400,
            "limit_exceeded", id="output of thinking",
        ),
        pytest.param({}, {"model": "qwen9"}, 404, "model_not_found", id="unknown model"),
        pytest.param({}, {"priority": 1}, 400, "unsupported_parameter", id="operators only"),
        pytest.param({}, {"temperature": "x"}, 400, "malformed_request", id="wrong type"),
    ],
)  # fmt: skip
async def test_what_is_too_much_or_wrong_never_reaches_a_replica(
    ask: Ask, limits: dict[str, Any], sent: dict[str, Any], status: int, code: str
) -> None:
    peer, observer = Peer([peers.said()]), Recorder()
    async with serving(peer) as replica, gateway(replica, observer=observer, **limits) as url:
        got = await ask(url, **sent)
    assert (got.status, got.error["code"]) == (status, code)
    assert peer.received == []
    record = await observer.last()
    assert (record.outcome, record.error_code) == (Outcome.CLIENT_ERROR, code)


async def test_a_body_without_a_length_is_measured_as_it_comes(
    client: aiohttp.ClientSession,
) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b"x" * 1000
        await asyncio.sleep(60)

    headers = {"content-type": "application/json"}
    async with (
        gateway(bodySize="10KiB") as url,
        client.post(url + "/v1/chat/completions", data=endless(), headers=headers) as response,
    ):
        assert response.status == 413


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        pytest.param({"content-type": "application/json"}, b"{", id="not JSON"),
        pytest.param({"content-type": "application/json"}, b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param({"content-type": "application/json"}, b"", id="empty"),
    ],
)
async def test_a_body_that_cannot_be_read_is_malformed(
    ask: Ask, headers: dict[str, str], data: bytes
) -> None:
    async with gateway() as url:
        got = await ask(url, data=data, headers=headers)
    assert (got.status, got.error["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        pytest.param(
            {"content-type": "application/x-www-form-urlencoded"},
            "is 'application/x-www-form-urlencoded'",
            id="curl's own",
        ),
        pytest.param({"content-type": ""}, "is missing", id="none"),
        pytest.param({"content-type": "text/plain; json"}, "is 'text/plain; json'", id="text"),
    ],
)
async def test_a_body_of_another_type_is_told_which_to_say(
    ask: Ask, headers: dict[str, str], found: str
) -> None:
    async with gateway() as url:
        got = await ask(url, data=b"{}", headers=headers)
    assert (got.status, got.error["code"]) == (415, "unsupported_media_type")
    assert f"content-type {found}; send `content-type: application/json`" in got.error["message"]


async def test_a_compressed_body_is_refused(ask: Ask) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with gateway() as url:
        got = await ask(url, data=b"{}", headers=headers)
    assert (got.status, got.error["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_be_said_in_other_ways(ask: Ask, kind: str) -> None:
    async with serving(Peer([peers.said()])) as replica, gateway(replica) as url:
        got = await ask(
            url,
            data=b'{"messages":[{"role":"user","content":"hi"}]}',
            headers={"content-type": kind},
        )
    assert got.status == 200


async def test_one_request_too_many_is_429_and_the_next_is_taken(ask: Ask) -> None:
    peer = Peer([peers.streamed(0.4, peers.ANSWER), peers.streamed(peers.ANSWER)])
    observer = Recorder()
    async with (
        serving(peer) as replica,
        gateway(replica, observer=observer, concurrentRequests=1) as url,
    ):
        first = asyncio.create_task(ask(url, stream=True))
        await peer.arrived.wait()
        second = await ask(url)
        assert (await first).status == 200
        third = await ask(url, stream=True)
    assert (second.status, second.error["code"], second.headers["retry-after"]) == (
        429, "too_many_requests", "1",
    )  # fmt: skip
    assert third.status == 200
    assert observer.now == 0
    assert [record.outcome for record in observer.finished] == ["rejected", "ok", "ok"]


async def test_an_answer_that_is_over_burdens_its_replica_no_more(ask: Ask) -> None:
    first, second = Peer([peers.said()]), Peer([peers.said()])
    async with serving(first) as one, serving(second) as two, gateway(one, two) as url:
        await ask(url, model="fast", messages=[{"role": "user", "content": "long " * 10_000}])
        for _ in range(6):
            await ask(url, model="fast")
    assert {len(first.received), len(second.received)} == {3, 4}


async def test_a_replica_that_says_it_is_busy_with_others_yields(ask: Ask) -> None:
    busy, idle = Peer([peers.said()], load="running=9;waiting=3;kv=0.5"), Peer([peers.said()])
    async with serving(busy) as one, serving(idle) as two, gateway(one, two) as url:
        for _ in range(8):
            await ask(url)
    assert len(busy.received) <= 1
    assert len(idle.received) >= 7


CANARY = "canary-9f3c"


async def test_a_prompt_never_reaches_a_log(
    ask: Ask, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    messages = [{"role": "user", "content": CANARY}]
    failing = peers.streamed(peers.ROLE, peers.FAILURE, peers.DONE)
    script = [peers.said(CANARY), failing, failing, peers.refused(CANARY, 500), peers.silent]
    async with serving(Peer(script)) as replica, gateway(replica) as url:
        await ask(url, messages=messages)
        await ask(url, messages=messages, stream=True)
        await ask(url, messages=[{"role": CANARY, "content": CANARY}])
        await ask(url, messages=messages, **{CANARY: 1})
        await ask(url, data=b'{"messages": "' + CANARY.encode() + b"\xff")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(url, messages=messages, stream=True), 0.3)
    assert caplog.records
    assert CANARY not in caplog.text
