"""The door, before an application that would answer anything."""

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from serving.pools import door
from serving.pools.door import TOKEN_VARIABLE, Door, NoPoolToken, Receive, Scope, Send
from serving.pools.gauges import GAUGES, Gauges, header_value
from serving.pools.pulse import Pulse
from serving.pools.started import STARTED
from serving.values import Load

TOKEN = "pool-secret"
PREFIX = "/pools/pocket-dense"


class Inner:
    """Answers with the parts it was given, and remembers that it was asked."""

    def __init__(
        self, parts: Sequence[bytes] = (b"{}",), kind: bytes = b"application/json"
    ) -> None:
        self.parts = parts
        self.kind = kind
        self.asked = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        self.headers = scope["headers"]
        length = str(sum(map(len, self.parts))).encode()
        headers = [(b"content-type", self.kind), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Answer:
    def __init__(self, messages: list[Any]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {key.decode(): value.decode() for key, value in messages[0]["headers"]}
        self.parts = [message["body"] for message in messages[1:]]
        self.ended = not messages[-1].get("more_body", False)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


def vllm(unfinished: int) -> Any:
    """The part of vLLM's application that the door reads."""
    engine = SimpleNamespace(get_num_unfinished_requests=lambda: unfinished)
    return SimpleNamespace(state=SimpleNamespace(engine_client=engine))


async def ask(
    path: str,
    inner: Inner,
    *,
    token: str | None = TOKEN,
    method: str = "GET",
    unfinished: int = 9,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> Answer:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    headers += more
    scope = {
        "type": "http", "method": method, "path": PREFIX + path, "root_path": PREFIX,
        "headers": headers, "app": vllm(unfinished),
    }  # fmt: skip
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(dict(message))

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    await Door(inner, TOKEN)(scope, receive, send)
    return Answer(messages)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/chat/completions", "/invocations", "/tokenize", "/docs", "/x", ""]
)
async def test_without_the_token_nothing_is_reached(path: str, token: str | None) -> None:
    inner = Inner()
    answer = await ask(path, inner, token=token)
    assert (answer.status, inner.asked) == (401, 0)
    assert json.loads(answer.body)["error"]["code"] == "invalid_api_key"
    assert "x-bifocal-load" not in answer.headers


@pytest.mark.parametrize("path", ["/health/", "//health", "/health/../invocations", "/%68ealth"])
async def test_nothing_passes_for_health_but_health(path: str) -> None:
    assert (await ask(path, Inner(), token=None)).status == 401


async def test_health_needs_no_token() -> None:
    inner = Inner()
    answer = await ask("/health", inner, token=None)
    assert (answer.status, inner.asked) == (200, 1)
    assert "x-bifocal-load" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/invocations", "/tokenize", "/metrics/", "/v1/models", "/v1/responses", ""]
)
async def test_with_the_token_unused_paths_are_not_there(path: str) -> None:
    inner = Inner()
    answer = await ask(path, inner)
    assert (answer.status, inner.asked) == (404, 0)
    assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/health", "/v1/completions", "/v1/chat/completions"])
async def test_with_the_token_the_gateways_paths_are_open(path: str) -> None:
    assert (await ask(path, Inner())).status == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/metrics", "/health"])
async def test_every_answer_to_the_gateway_tells_the_load(path: str) -> None:
    GAUGES.record(0, Load(running=3, waiting=1, kv_cache_usage=0.125))
    answer = await ask(path, Inner())
    assert answer.headers["x-bifocal-load"] == "running=3;waiting=1;kv=0.125"


async def test_a_page_of_metrics_ends_with_where_the_start_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(STARTED, "lines", b"start 7\n")
    inner = Inner((b"one 1\n", b"two 2\n"), b"text/plain")
    answer = await ask("/metrics", inner, more=[(b"accept-encoding", b"gzip"), (b"x", b"y")])
    assert answer.body == b"one 1\ntwo 2\nstart 7\n"
    assert answer.ended
    assert "content-length" not in answer.headers
    # What is packed cannot be added to.
    assert [name for name, _ in inner.headers] == [b"authorization", b"x"]


@pytest.mark.parametrize("path", ["/health", "/v1/completions"])
async def test_no_other_answer_tells_of_the_start(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STARTED, "lines", b"start 7\n")
    assert (await ask(path, Inner())).body == b"{}"


async def test_an_engine_whose_last_request_was_aborted_runs_nothing() -> None:
    GAUGES.record(0, Load(running=4, waiting=1, kv_cache_usage=0.125))
    answer = await ask("/health", Inner(), unfinished=0)
    assert answer.headers["x-bifocal-load"] == "running=0;waiting=0;kv=0.125"


async def test_a_request_that_is_cancelled_ends_by_the_hang_up_it_hears_of() -> None:
    heard = asyncio.Event()

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    async def receive() -> Any:
        await asyncio.Event().wait()  # Ray may not tell of it

    async def send(message: Any) -> None:
        raise AssertionError(message)

    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "path": "/v1/completions", "headers": headers, "app": vllm(1)}
    request = asyncio.ensure_future(Door(listening, TOKEN)(scope, receive, send))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.wait_for(heard.wait(), 5)


async def test_a_chat_is_rewritten_and_its_length_is_right() -> None:
    parts = (b'{"choices":[{"message":{"reas', b'oning":"so","content":"4"}}]}')
    answer = await ask("/v1/chat/completions", Inner(parts), method="POST")
    message = json.loads(answer.body)["choices"][0]["message"]
    assert message == {"reasoning": "so", "reasoning_content": "so", "content": "4"}
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.ended


async def test_a_stream_passes_event_by_event() -> None:
    parts = [b'data: {"reasoning":"%d"}\n\n' % i for i in range(3)] + [b"data: [DONE]\n\n"]
    inner = Inner(parts, b"text/event-stream; charset=utf-8")
    answer = await ask("/v1/chat/completions", inner, method="POST")
    assert [part for part in answer.parts if part] == [
        *[b'data: {"reasoning":"%d","reasoning_content":"%d"}\n\n' % (i, i) for i in range(3)],
        b"data: [DONE]\n\n",
    ]
    assert answer.ended


async def test_what_is_no_chat_passes_as_it_is() -> None:
    body = b'{"choices":[{"text":"x"}],"reasoning":"y"}'
    answer = await ask("/v1/completions", Inner((body,)), method="POST")
    assert answer.body == body


async def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    inner = Inner()
    scope = {"type": "websocket", "path": PREFIX + "/v1/realtime", "headers": []}
    await Door(inner, TOKEN)(scope, receive, send)
    assert (sent, inner.asked) == ([{"type": "websocket.close", "code": 1008}], 0)


def test_without_a_token_it_does_not_open_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(NoPoolToken, match=TOKEN_VARIABLE):
        Door(Inner())


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    Door(Inner())


def test_several_engines_are_added_and_the_fullest_cache_counts() -> None:
    gauges = Gauges()
    assert gauges.total(9) == Load(running=0, waiting=0, kv_cache_usage=0.0)
    gauges.record(0, Load(running=2, waiting=0, kv_cache_usage=0.5))
    gauges.record(1, Load(running=1, waiting=4, kv_cache_usage=0.25))
    gauges.record(1, Load(running=1, waiting=3, kv_cache_usage=0.25))
    assert header_value(gauges.total(9)) == b"running=3;waiting=3;kv=0.500"


async def test_a_stuck_engine_is_not_said_to_be_well(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse()
    monkeypatch.setattr(door, "PULSE", pulse)
    assert (await ask("/health", Inner(), token=None)).status == 200
    for now in (0, 5, 10):
        pulse.look(now, 1, 10)
    assert (await ask("/health", Inner(), token=None)).status == 503
    pulse.beat()
    pulse.look(15, 1, 10)
    assert (await ask("/health", Inner(), token=None)).status == 200
