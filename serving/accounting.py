"""Tokens: what an engine counted, and what a request may come to before anyone has counted."""

from typing import Final

import msgspec

from serving.values import Usage

CHARS_PER_TOKEN: Final = 4
"""A rule of thumb for English; other scripts have fewer. Only a comparison of replicas hangs on
it, and it errs the same way for all of them."""
TYPICAL_ANSWER: Final = 512
"""Tokens expected of an answer without a smaller cap."""


class _Details(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Counted(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    completion_tokens_details: _Details | None = None


class _Body(msgspec.Struct):
    usage: _Counted | None = None


_decode: Final = msgspec.json.Decoder(_Body).decode


def usage_of(body: bytes) -> Usage | None:
    """Of a whole answer, or of the usage event of a stream; None where it says nothing of it."""
    try:
        counted = _decode(body.removeprefix(b"data: ")).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if counted is None:
        return None
    details = counted.completion_tokens_details
    thought = 0 if details is None else details.reasoning_tokens or 0
    return Usage(counted.prompt_tokens, counted.completion_tokens or 0, thought)


def expected_tokens(prompt_chars: int, output_cap: int | None, choices: int = 1) -> int:
    """What a request will keep a replica busy with, as far as can be told."""
    answer = TYPICAL_ANSWER if output_cap is None else min(output_cap, TYPICAL_ANSWER)
    return prompt_chars // CHARS_PER_TOKEN + answer * choices
