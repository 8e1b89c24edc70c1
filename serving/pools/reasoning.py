"""Adds `reasoning_content` beside vLLM's `reasoning`: bytes in, bytes out, nothing parsed.

Many clients read the older name. The rewriting is right because the bytes `"reasoning":` cannot
stand inside a JSON string, where quotes are escaped, and a string that is a value is never
followed by a colon: they are a key, always.
"""

import re
from typing import Final

from serving.pools.straying import Settler

_KEY: Final = b'"reasoning":'
_FIELD: Final = re.compile(rb'"reasoning": ?("[^"\\]*(?:\\.[^"\\]*)*"|null)')
_EVENT_END: Final = b"\n\n"


def rewrite(body: bytes) -> bytes:
    """A whole JSON body, or whole events of a stream."""
    return _FIELD.sub(_twice, body) if _KEY in body else body


def _twice(field: re.Match[bytes]) -> bytes:
    # A function: a template with groups would take more than twice as long.
    return field[0] + b',"reasoning_content":' + field[1]


class StreamRewriter:
    """For a stream in pieces: what is not yet a whole event is held back, and thinking that strayed
    into content is put right first."""

    def __init__(self) -> None:
        self._rest = b""
        self._settler = Settler()

    def feed(self, chunk: bytes) -> bytes:
        if self._rest:
            chunk, self._rest = self._rest + chunk, b""
        if not chunk.endswith(_EVENT_END):
            end = chunk.rfind(_EVENT_END) + len(_EVENT_END)
            if end < len(_EVENT_END):
                self._rest = chunk
                return b""
            chunk, self._rest = chunk[:end], chunk[end:]
        return rewrite(self._settler.feed(chunk))

    def finish(self) -> bytes:
        """What is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return rewrite(rest)
