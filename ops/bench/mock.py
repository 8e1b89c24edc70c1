"""An upstream that answers at once, in vLLM's bytes: what stands before it is all that costs.

`python -m uvicorn ops.bench.mock:application`. A reply has 16 tokens; a stream has 64, each an
event and a write of its own, as vLLM's are. It reads of a request only whether to stream and
whether usage is asked for, and tells its load as a replica's door does.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLAIN_TOKENS: Final = 16
STREAM_TOKENS: Final = 64
_ID: Final = "chatcmpl-0123456789abcdef0123456789abcdef"
_STREAMS: Final = re.compile(rb'"stream"\s*:\s*true')
_ASKS_USAGE: Final = re.compile(rb'"include_usage"\s*:\s*true')


def _usage(tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": 24,
        "total_tokens": 24 + tokens,
        "completion_tokens": tokens,
        "prompt_tokens_details": None,
    }


def _reply() -> bytes:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": " the" * PLAIN_TOKENS,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [],
        "reasoning": None,
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "length",
        "stop_reason": None,
        "token_ids": None,
    }
    return _dump(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "mock",
            "choices": [choice],
            "service_tier": None,
            "system_fingerprint": None,
            "usage": _usage(PLAIN_TOKENS),
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "kv_transfer_params": None,
        }
    )


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice: dict[str, Any] = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish_reason,
        "token_ids": None,
    }
    return _data([choice], {})


def _data(choices: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
    chunk = {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "mock",
        "choices": choices,
        **more,
    }
    return b"data: " + _dump(chunk) + b"\n\n"


REPLY: Final = _reply()
EVENTS: Final = (
    _event({"role": "assistant", "content": ""}),
    *(_event({"content": " the"}) for _ in range(STREAM_TOKENS - 1)),
    _event({"content": " end"}, "length"),
)
USAGE: Final = _data([], {"usage": _usage(STREAM_TOKENS)})
DONE: Final = b"data: [DONE]\n\n"
MODELS: Final = b'{"object":"list","data":[{"id":"mock","object":"model","owned_by":"vllm"}]}'

_LOAD: Final = (b"x-bifocal-load", b"running=1;waiting=0;kv=0.125")
_JSON: Final = (b"content-type", b"application/json")
_STREAM_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8"), _LOAD],
}


def _json_start(body: bytes) -> Message:
    length = (b"content-length", str(len(body)).encode())
    return {"type": "http.response.start", "status": 200, "headers": [length, _JSON, _LOAD]}


_FIXED: Final = {"/health": b"", "/v1/models": MODELS}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if (fixed := _FIXED.get(scope["path"])) is not None:
        await _answer(send, fixed)
        return
    body = await _read(receive)
    if _STREAMS.search(body):
        await _stream(send, usage=_ASKS_USAGE.search(body) is not None)
    else:
        await _answer(send, REPLY)


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _answer(send: Send, body: bytes) -> None:
    await send(_json_start(body))
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, *, usage: bool) -> None:
    await send(_STREAM_START)
    for event in (*EVENTS, *((USAGE,) if usage else ())):
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": DONE})
