"""An engine's stream of events, cut at event boundaries and sorted, without parsing a token.

Decides of each event only what the gateway must know: whether an answer has begun, whether it is
the usage, an error, or the end. Everything else passes as the bytes it came in. Events end with
an empty line of two line feeds, as vLLM writes them.
"""

import re
from enum import IntEnum
from typing import Final, NamedTuple

from serving.errors import BifocalError, EngineFailed
from serving.wire.json import encode

DONE: Final = b"data: [DONE]\n\n"
KEEP_ALIVE: Final = b": keep-alive\n\n"
_END: Final = b"\n\n"
MAX_EVENT: Final = 16 * 1024 * 1024
"""No event of an engine is so long; what is longer is not a stream of events."""

_ERROR: Final = b'data: {"error"'
# A quote inside a JSON string is escaped, so these cannot stand in an answer's text.
_USAGE: Final = b'"choices":[]'
_USAGE_SPACED: Final = b'"choices": []'
_ROLE: Final = re.compile(
    rb'"delta":\s?\{"role":\s?"assistant"(,\s?"(content|reasoning|reasoning_content)":\s?(""|null))*\}'
)
"""The first event of a chat: it names the role and holds nothing yet."""


class Kind(IntEnum):
    PREAMBLE = 0
    """Before the answer: the role, comments."""
    CONTENT = 1
    USAGE = 2
    ERROR = 3
    DONE = 4


class Piece(NamedTuple):
    """One or more whole events of one kind."""

    kind: Kind
    data: bytes


class Scanner:
    """Feed it blocks as they come; it keeps the unfinished tail of each."""

    __slots__ = ("_begun", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._begun = False

    def feed(self, block: bytes) -> list[Piece]:
        data = self._tail + block if self._tail else block
        if data.endswith(_END):
            self._tail = b""
        else:
            cut = data.rfind(_END) + len(_END)
            if cut < len(_END):
                return self._wait_for_more(data)
            self._tail, data = data[cut:], data[:cut]
        return self._sort(data)

    def _wait_for_more(self, data: bytes) -> list[Piece]:
        if len(data) > MAX_EVENT:
            msg = "the engine's stream is not a stream of events"
            raise EngineFailed(msg)
        self._tail = data
        return []

    def _sort(self, data: bytes) -> list[Piece]:
        """Whole events. Those of the answer itself are many, and are not looked at one by one."""
        pieces: list[Piece] = []
        while data and not self._begun:
            end = data.index(_END) + len(_END)
            kind = _kind(data[:end], begun=False)
            if kind is Kind.CONTENT:
                self._begun = True
            else:
                pieces.append(Piece(kind, data[:end]))
                data = data[end:]
        return pieces + _from_behind(data) if pieces else _from_behind(data)


def _from_behind(data: bytes) -> list[Piece]:
    """Once an answer has begun only its end is something else: usage or an error, and `[DONE]`."""
    end, others = len(data), []
    while end:
        before = data.rfind(_END, 0, end - len(_END))
        at = 0 if before < 0 else before + len(_END)
        kind = _kind(data[at:end], begun=True)
        if kind is Kind.CONTENT:
            break
        others.append(Piece(kind, data[at:end]))
        end = at
    if not others:
        return [Piece(Kind.CONTENT, data)] if data else []
    content = [Piece(Kind.CONTENT, data[:end])] if end else []
    return content + others[::-1]


def _kind(event: bytes, *, begun: bool) -> Kind:
    if event.startswith(b"data: [DONE]"):
        return Kind.DONE
    if event.startswith(_ERROR):
        return Kind.ERROR
    if _USAGE in event or _USAGE_SPACED in event:
        return Kind.USAGE
    if not begun and (not event.startswith(b"data:") or _ROLE.search(event)):
        return Kind.PREAMBLE
    return Kind.CONTENT


def error_event(error: BifocalError) -> bytes:
    """How a stream that began ends when it cannot go on."""
    return b"data: " + encode(error.body()) + _END + DONE
