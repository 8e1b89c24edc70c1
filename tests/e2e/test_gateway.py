"""The endpoint as the official client meets it, before real engines."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import openai
import psutil
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.e2e.conftest import POOLS, Service, until

pytestmark = pytest.mark.engine

HARD = "4812 + 977 + 60551"
CONCURRENCY = 64
HANG_UP_S = 1.0
"""So soon an engine stops for a client that is gone."""


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=300
    ) as found:
        yield found


@pytest.fixture
async def many(service: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=300
    ) as found:
        yield found


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def parts(chunks: list[ChatCompletionChunk], name: str) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return "".join(getattr(delta, name, None) or "" for delta in deltas)


def running(service: Service, pool: str) -> int:
    """How many requests the engine itself says that it runs."""
    parts = urlsplit(service.replicas(pool)[0])
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        knows = {"authorization": f"Bearer {service.pool_token}"}
        connection.request("GET", f"{parts.path}/health", headers=knows)
        told = connection.getresponse().getheader("x-bifocal-load") or ""
        return int(dict(part.split("=") for part in told.split(";"))["running"])
    finally:
        connection.close()


@pytest.mark.parametrize(
    "model", ["pocket-dense", "pocket-moe", "bifocal/pocket-moe", "auto", "deep"]
)
def test_a_question_is_answered(client: openai.OpenAI, model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=user("7 + 8"))
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert raw.headers["x-bifocal-model"] in POOLS
    assert raw.headers["x-bifocal-reason"]
    assert answer.id.endswith(raw.headers["x-request-id"])


def test_a_stream_says_what_a_whole_answer_says(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "fast", "messages": user("7 + 8"), "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert parts(chunks, "content") == whole.choices[0].message.content
    assert all(chunk.choices for chunk in chunks), "usage that nobody asked for"
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "stop"


def test_a_stream_tells_its_usage_to_who_asks(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="fast",
            messages=user("7 + 8"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens > 0
    assert not chunks[-1].choices


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("wish", "thinks"),
    [
        pytest.param({"chat_template_kwargs": {"enable_thinking": True}}, True, id="switched on"),
        pytest.param(
            {"chat_template_kwargs": {"enable_thinking": False}}, False, id="switched off"
        ),
        pytest.param({"reasoning_effort": "high"}, True, id="effort"),
        pytest.param({"reasoning_effort": "none"}, False, id="no effort"),
    ],
)
def test_thinking_stands_beside_the_answer_and_never_in_it(
    client: openai.OpenAI, pool: str, stream: bool, wish: dict[str, Any], thinks: bool
) -> None:
    asked: dict[str, Any] = {"model": pool, "messages": user(HARD), "extra_body": wish}
    raw: Any = client.chat.completions.with_raw_response.create(**asked, stream=stream)
    if stream:
        chunks: list[Any] = list(raw.parse())
        content, thought = parts(chunks, "content"), parts(chunks, "reasoning_content")
    else:
        message = raw.parse().choices[0].message
        content, thought = message.content or "", getattr(message, "reasoning_content", None) or ""
    assert raw.headers["x-bifocal-thinking"] == ("on" if thinks else "off")
    assert bool(thought) is thinks
    assert "<think>" not in content
    assert "</think>" not in content


def test_a_soft_switch_in_the_question_is_a_wish_too(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="deep", messages=user(f"{HARD} /no_think")
    )
    assert raw.headers["x-bifocal-thinking"] == "off"


def test_a_tool_that_must_be_called_is_called(client: openai.OpenAI) -> None:
    city = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}}
    tool: Any = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather in a city",
            "parameters": {**city, "required": ["city"], "additionalProperties": False},
        },
    }
    answer = client.chat.completions.create(
        model="pocket-moe",
        messages=user("What is the weather in Paris?"),
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=200,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"
    assert json.loads(calls[0].function.arguments).keys() == {"city"}


@pytest.mark.parametrize("model", POOLS)
def test_an_answer_by_a_schema_is_json(client: openai.OpenAI, model: str) -> None:
    total = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    by_schema: Any = {"type": "json_schema", "json_schema": {"name": "total", "schema": total}}
    answer = client.chat.completions.create(
        model=model,
        messages=user("What is 7 + 8?"),
        response_format=by_schema,
        max_tokens=60,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    assert isinstance(json.loads(answer.choices[0].message.content or "")["sum"], int)


def test_a_bare_prompt_is_completed(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="pocket-dense", prompt="1 + 1 =", max_tokens=4, echo=True
    )
    assert answer.choices[0].text.startswith("1 + 1 =")
    streamed = client.completions.create(
        model="pocket-dense", prompt="1 + 1 =", max_tokens=4, stream=True
    )
    assert "".join(part.choices[0].text for part in streamed)


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert listed.keys() == {*POOLS, "auto", "fast", "deep"}
    assert all(getattr(model, "ready") for model in listed.values())  # noqa: B009  # not in the type


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        pytest.param({"model": "gpt-5"}, openai.NotFoundError, "model_not_found", id="model"),
        pytest.param(
            {"extra_body": {"priority": 1}}, openai.BadRequestError, "unsupported_parameter",
            id="operators only",
        ),
        pytest.param({"temperature": 9}, openai.BadRequestError, "malformed_request", id="range"),
        pytest.param({"n": 99}, openai.BadRequestError, "limit_exceeded", id="limit"),
        pytest.param(
            {"messages": user("1 " * 5000)}, openai.BadRequestError, "context_length_exceeded",
            id="a prompt too long",
        ),
        pytest.param(
            {"max_tokens": 4090}, openai.BadRequestError, "context_length_exceeded",
            id="an answer too long",
        ),
        pytest.param(
            {"extra_body": {"structured_outputs": {"regex": "("}}}, openai.BadRequestError,
            "malformed_request", id="what the engine refuses",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_error_has_the_clients_own_type(
    client: openai.OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str,
    stream: bool,
) -> None:  # fmt: skip
    asked: dict[str, Any] = {"model": "fast", "messages": user("hello"), "stream": stream}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**asked | fields)
    assert caught.value.code == code


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_client_that_hangs_up_ends_the_generation(
    service: Service, many: openai.AsyncOpenAI, stream: bool
) -> None:
    pool = "pocket-dense"
    work = asyncio.create_task(_read_on(many, pool, stream=stream))
    await asyncio.to_thread(until, lambda: running(service, pool) > 0, what="it runs")
    work.cancel()
    left = asked = time.monotonic()
    while await asyncio.to_thread(running, service, pool):
        asked = time.monotonic()
        assert asked - left < 30, "it never ended"
    assert asked - left < HANG_UP_S


async def _read_on(many: openai.AsyncOpenAI, pool: str, *, stream: bool) -> None:
    """An answer as long as the context lets it be."""
    asked: dict[str, Any] = {"model": pool, "prompt": "1 2 3", "max_tokens": 4000, "n": 4}
    answer = await many.completions.create(**asked, stream=stream, extra_body={"ignore_eos": True})
    if stream:
        async for _ in answer:  # type: ignore[union-attr]
            pass


async def test_many_at_once_are_neither_lost_nor_mixed_up(many: openai.AsyncOpenAI) -> None:
    """Echoed prompts tell whose an answer is; of a chat, its id does."""

    async def completed(number: int) -> bool:
        prompt = f"question number {number}:"
        answer = await many.completions.create(
            model=POOLS[number % 2], prompt=prompt, max_tokens=8, echo=True
        )
        return answer.choices[0].text.startswith(prompt)

    async def streamed(number: int) -> bool:
        raw = await many.chat.completions.with_raw_response.create(
            model=("fast", "deep", "auto")[number % 3], messages=user(f"{number} + 1"), stream=True
        )
        ids, finished = set(), False
        async for chunk in raw.parse():
            ids.add(chunk.id.removeprefix("chatcmpl-"))
            finished = finished or any(choice.finish_reason for choice in chunk.choices)
        return finished and ids == {raw.headers["x-request-id"]}

    each = [completed(i) if i % 2 else streamed(i) for i in range(CONCURRENCY)]
    assert await asyncio.gather(*each) == [True] * CONCURRENCY


CANARY = "canary 5b1f77"


async def test_a_prompt_reaches_no_log(service: Service, many: openai.AsyncOpenAI) -> None:
    chat = many.chat.completions
    await chat.create(model="fast", messages=user(CANARY))
    await chat.create(model="deep", messages=user(CANARY), max_tokens=50)
    async for _ in await chat.create(model="fast", messages=user(CANARY), stream=True):
        pass
    for wrong in ({"temperature": 9}, {"max_tokens": 4090}, {"messages": user(CANARY * 900)}):
        with pytest.raises(openai.BadRequestError):
            await chat.create(**{"model": "fast", "messages": user(CANARY), **wrong})  # type: ignore[call-overload]
    with pytest.raises(openai.BadRequestError):
        await many.completions.create(
            model="fast", prompt=CANARY, extra_body={"structured_outputs": {"regex": "("}}
        )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await many.completions.create(
                model="pocket-moe", prompt=CANARY, max_tokens=4000, extra_body={"ignore_eos": True}
            )
    assert logs_with(service, CANARY) == []


async def test_a_prompt_reaches_no_log_when_its_engine_dies(
    service: Service, many: openai.AsyncOpenAI
) -> None:
    pool, canary = "pocket-dense", f"{CANARY} in a dying engine"
    asked: dict[str, Any] = {"model": pool, "prompt": canary, "max_tokens": 4000, "stream": True}
    answer = await many.completions.create(**asked, extra_body={"ignore_eos": True})
    await anext(aiter(answer))
    replica = replica_pid(service, pool)
    assert replica is not None
    engine_of(replica).kill()
    with pytest.raises(openai.APIError):
        async for _ in answer:
            pass
    await asyncio.to_thread(
        until,
        lambda: replica_pid(service, pool) not in (None, replica) and is_ready(service),
        what="another replica",
        limit_s=300,
    )
    await many.completions.create(model=pool, prompt="1 2 3", max_tokens=4)
    assert logs_with(service, canary) == []


def logs_with(service: Service, words: str) -> list[Path]:
    """The log files of the gateway, of all that Ray runs, and of Ray itself, that hold these."""
    files = [file for folder in service.log_dirs for file in folder.rglob("*") if file.is_file()]
    assert any("gateway" in file.name for file in files)
    return [file for file in files if words.encode() in file.read_bytes()]


def replica_pid(service: Service, pool: str) -> int | None:
    """Of the one that runs, by Ray's account."""
    for deployment in service.applications()["applications"][pool]["deployments"].values():
        for replica in deployment["replicas"]:
            if replica["state"] == "RUNNING":
                return int(replica["pid"])
    return None


def engine_of(replica: int) -> psutil.Process:
    """vLLM's engine and its worker are processes below the replica's, without names of their own;
    either is much larger than what else is there, and neither outlives the other."""
    below = psutil.Process(replica).children(recursive=True)
    return max(below, key=lambda process: int(process.memory_info().rss))


def is_ready(service: Service) -> bool:
    with contextlib.suppress(OSError), urlopen(f"{service.url}/ready", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
