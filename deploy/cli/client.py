"""One question to a service, answered as a stream of what a terminal shows.

Speaks the endpoint's own OpenAI shape over the standard library's HTTP, so that asking needs no
more than Python. How it is shown is `chat`'s to decide.
"""

import http.client
import json
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.failure import Exit, Failure
from serving.errors import PoolDrained

SILENCE_S: Final = 600.0
"""Longer than the gateway waits for an engine's first byte; after it come keep-alive comments."""
AT_ONCE_S: Final = 30.0
"""What no engine is asked for is there in moments; a replica's page takes 2 s at most."""
MAX_ERROR_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """What the answer's headers say, before its first token."""

    model: str
    thinking: bool
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of the answer, or of the thinking before it."""

    text: str
    is_thought: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The whole of it, in the client's own seconds."""

    finish_reason: str | None
    usage: Mapping[str, Any] | None
    ttft_s: float | None
    """None when there was no token at all."""
    e2e_s: float


Event = Decision | Piece | Ended


def ask(
    url: str,
    key: str | None,
    body: Mapping[str, Any],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Event]:
    """Raises Failure: unreachable or loading (4), refused or drained (2), failed (1)."""
    started = clock()
    connection, path = _connection(url, SILENCE_S)
    with closing(connection):
        try:
            with _sent(connection, path, key, body) as response:
                if response.status != http.client.OK:
                    raise _refusal(response, url)
                yield _decision(response.headers)
                yield from _events(response, started, clock)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from None


def check(url: str, key: str | None) -> None:
    """That the service answers and takes the key. Raises Failure as `ask` does."""
    connection, path = _connection(url, AT_ONCE_S)
    with closing(connection):
        try:
            connection.request("GET", f"{path}/v1/models", headers=_headers(key))
            with connection.getresponse() as response:
                if response.status != http.client.OK:
                    raise _refusal(response, url)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from None


def exchange(
    url: str,
    key: str | None,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    fine: Container[int] = (http.client.OK,),
) -> bytes:
    """One short question to the endpoint itself; `fine` are the answers that are no failures.
    Raises Failure as `ask` does."""
    connection, prefix = _connection(url, AT_ONCE_S)
    headers = {"content-type": "application/json", **_headers(key)}
    text = None if body is None else json.dumps(body).encode()
    with closing(connection):
        try:
            connection.request(method, f"{prefix}{path}", text, headers)
            with connection.getresponse() as response:
                if response.status not in fine:
                    raise _refusal(response, url)
                return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from None


def _connection(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout_s), parts.path.rstrip("/")


def _sent(
    connection: http.client.HTTPConnection, path: str, key: str | None, body: Mapping[str, Any]
) -> http.client.HTTPResponse:
    headers = {"content-type": "application/json", **_headers(key)}
    text = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}})
    connection.request("POST", f"{path}/v1/chat/completions", text.encode(), headers)
    return connection.getresponse()


def _headers(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def _decision(headers: http.client.HTTPMessage) -> Decision:
    return Decision(
        model=headers.get("x-bifocal-model", "?"),
        thinking=headers.get("x-bifocal-thinking") == "on",
        reason=headers.get("x-bifocal-reason", "?"),
        request_id=headers.get("x-request-id", "?"),
    )


def _events(
    response: http.client.HTTPResponse, started: float, clock: Callable[[], float]
) -> Iterator[Event]:
    ttft_s: float | None = None
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    for chunk in _chunks(response):
        if error := chunk.get("error"):
            raise Failure(Exit.FAILED, f"the answer broke off: {_message(error)}")
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            finish_reason = choice.get("finish_reason") or finish_reason
            for piece in _pieces(choice.get("delta") or {}):
                ttft_s = clock() - started if ttft_s is None else ttft_s
                yield piece
    yield Ended(finish_reason, usage, ttft_s, clock() - started)


def _chunks(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON of every event up to `[DONE]`; comments are passed over."""
    while line := response.readline():
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        try:
            yield json.loads(data)
        except ValueError:
            raise Failure(Exit.FAILED, "the answer holds what is not JSON") from None
    raise Failure(Exit.FAILED, "the answer broke off", "`bifocal status` shows how the pools are")


def _pieces(delta: Mapping[str, Any]) -> Iterator[Piece]:
    if thought := delta.get("reasoning_content") or delta.get("reasoning"):
        yield Piece(thought, is_thought=True)
    if text := delta.get("content"):
        yield Piece(text, is_thought=False)


def _refusal(response: http.client.HTTPResponse, url: str) -> Failure:
    try:
        error = json.loads(response.read(MAX_ERROR_BYTES))["error"]
    except (ValueError, KeyError, TypeError):
        error = f"{url} answers {response.status} {response.reason}"
    message = _message(error)
    if isinstance(error, dict) and error.get("code") == PoolDrained.code:
        # It does not pass by itself, as what is overloaded or loads does.
        name = response.headers.get("x-bifocal-model", "NAME")
        remedy = f"name another model, or lift the order: `bifocal pool resume {name}`"
        return Failure(Exit.BAD_INPUT, message, remedy)
    if response.status == http.client.UNAUTHORIZED:
        return Failure(Exit.BAD_INPUT, message, "give a key with BIFOCAL_KEY or --key")
    if response.status in (http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE):
        after = response.headers.get("retry-after")
        remedy = f"try again in {after} s" if after else "try again; `bifocal status` shows why"
        return Failure(Exit.NOT_RUNNING, message, remedy)
    is_ours = response.status < http.client.INTERNAL_SERVER_ERROR
    return Failure(Exit.BAD_INPUT if is_ours else Exit.FAILED, message)


def _message(error: Any) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def _unreachable(url: str, error: Exception) -> Failure:
    what = f"nothing answers at {url} ({getattr(error, 'strerror', None) or error})"
    return Failure(Exit.NOT_RUNNING, what, "start it with `bifocal up`, or name another with --url")
