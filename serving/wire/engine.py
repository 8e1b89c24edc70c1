"""What an engine answers when it fails, as an error of ours.

The engine's words reach the client where the client can mend the request; of its own troubles the
client hears that there were some, not their insides.
"""

import re
from typing import Final

import msgspec

from serving.errors import (
    BifocalError,
    ContextOverflow,
    EngineFailed,
    EngineUnavailable,
    MalformedRequest,
)

RETRY_AFTER_S: Final = 1
"""A replica that is full or leaving is another one a moment later."""
_OVERFLOW: Final = re.compile(
    r"maximum context length|context length|cannot be greater than max_model_len"
    r"|longer than the maximum model length",
    re.IGNORECASE,
)
_MAX_WORDS: Final = 2000


class _Told(msgspec.Struct):
    message: str = ""
    param: str | None = None
    code: int | str | None = None


class _Envelope(msgspec.Struct):
    error: _Told


_decode: Final = msgspec.json.Decoder(_Envelope).decode


def engine_error(status: int, body: bytes) -> BifocalError:
    """Of a response that is not 200. The body may be anything: Ray and proxies answer too."""
    told = _told(body)
    if status in (400, 413, 422):
        return _refusal(told)
    if status in (408, 429, 503):
        msg = "the engine is overloaded or not ready"
        return EngineUnavailable(msg, retry_after_s=RETRY_AFTER_S)
    # 401 and 404 too: the client's key and path were right, so the door's refusal is our fault.
    return EngineFailed(f"the engine answered {status}")


def event_error(event: bytes) -> BifocalError:
    """Of an error event in a stream that began as 200."""
    told = _told(event.removeprefix(b"data: ").strip())
    if str(told.code) in ("400", "422"):
        return _refusal(told)
    return EngineFailed("the engine failed while it answered")


def _refusal(told: _Told) -> BifocalError:
    words = told.message[:_MAX_WORDS] or "the engine refused the request"
    if _OVERFLOW.search(words):
        return ContextOverflow(words, param=told.param)
    return MalformedRequest(words, param=told.param)


def _told(body: bytes) -> _Told:
    try:
        return _decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Told()
