"""Thinking that a model writes where its answer should begin, moved to where thinking stands.

vLLM's parser takes thinking out of an answer only where thinking is on; a model may begin with
`<think>` all the same, or think a second time. Decided: a choice's content that begins with
`<think>`, blanks apart, is reasoning up to `</think>`, or to its end; `<think>` later in a text is
text, since somebody may have asked for it.

Of a stream only the beginning of each choice is parsed. Until there is content an event costs the
search for two keys, and once every choice has begun its answer, nothing.
"""

import re
from typing import Any, Final

import msgspec

from serving.wire.json import encode

OPEN: Final = "<think>"
CLOSE: Final = "</think>"
_BLANKS: Final = " \t\r\n"
_END: Final = b"\n\n"
_DATA: Final = b"data: "

# A quote inside a JSON string is escaped, so these are keys, always.
_ROLE: Final = re.compile(rb'"index": ?(\d+), ?"delta": ?\{"role"')
"""vLLM's first event of each choice; all of them come before any content."""
_CONTENT: Final = re.compile(rb'"content": ?"[^"]')
_STRAY: Final = re.compile(rb'"content": ?"(?:\\[nrt]| )*<think>')
_decode: Final = msgspec.json.Decoder().decode


class Beginning:
    """The content of one choice, piece by piece, until its answer has begun."""

    __slots__ = ("_has_thought", "begun", "held", "thinks")

    def __init__(self) -> None:
        self.held = ""
        """What may be a part of a tag, or the blanks before one."""
        self.thinks = self.begun = self._has_thought = False

    def split(self, text: str, *, ends: bool) -> tuple[str, str]:
        """Reasoning and content of what was held and the next piece; `ends` with the last one."""
        text, self.held, thought = self.held + text, "", ""
        while True:
            if self.thinks:
                more, close, text = text.partition(CLOSE)
                if not close:
                    self.held = "" if ends else _part_of_close(more)
                    return thought + more.removesuffix(self.held), ""
                thought, self.thinks = thought + more, False
            bare = text.lstrip(_BLANKS)
            if not bare.startswith(OPEN):
                break
            text, self.thinks, self._has_thought = bare.removeprefix(OPEN), True, True
        if OPEN.startswith(bare) and not ends:
            self.held = text
            return thought, ""
        self.begun = True
        return thought, bare if self._has_thought else text


def _part_of_close(text: str) -> str:
    """The end of the text that may be the beginning of `</think>`."""
    longest = min(len(text), len(CLOSE) - 1)
    return next((text[-n:] for n in range(longest, 0, -1) if CLOSE.startswith(text[-n:])), "")


def settle(body: bytes) -> bytes:
    """A whole answer."""
    if _STRAY.search(body) is None:
        return body
    answer = _decode(body)
    for choice in answer.get("choices", ()):
        _settle(choice["message"], Beginning(), ends=True)
    return encode(answer)


def _settle(message: dict[str, Any], beginning: Beginning, *, ends: bool) -> bool:
    """A message, or a piece of one; whether anything had to be moved."""
    before = message.get("content") or ""
    thought, content = beginning.split(before, ends=ends)
    if content == before and not thought:
        return False
    message["content"] = content
    if thought:
        message["reasoning"] = (message.get("reasoning") or "") + thought
    return True


class Settler:
    """For a stream, in whole events."""

    def __init__(self) -> None:
        self._beginnings: dict[int, Beginning] = {}
        self._has_content = False

    def feed(self, events: bytes) -> bytes:
        if self._has_content and not self._beginnings:
            return events
        return b"".join([self._settled(event) + _END for event in events.split(_END)[:-1]])

    def _settled(self, event: bytes) -> bytes:
        if b'"role":' in event and (role := _ROLE.search(event)):
            self._beginnings[int(role[1])] = Beginning()
        elif self._beginnings and self._concerns(event):
            self._has_content = True
            return self._parsed(event)
        return event

    def _concerns(self, event: bytes) -> bool:
        """It has content, or may be the end of a choice of which some is held."""
        if b'"content":' in event and _CONTENT.search(event):
            return True
        some_held = any(beginning.held for beginning in self._beginnings.values())
        return some_held and event.startswith(b"data: {")

    def _parsed(self, event: bytes) -> bytes:
        answer = _decode(event.removeprefix(_DATA))
        moved = [self._moved(choice) for choice in answer.get("choices", ())]
        return _DATA + encode(answer) if any(moved) else event

    def _moved(self, choice: dict[str, Any]) -> bool:
        if (beginning := self._beginnings.get(choice["index"])) is None:
            return False
        ends = choice.get("finish_reason") is not None
        moved = _settle(choice["delta"], beginning, ends=ends)
        if beginning.begun or ends:
            del self._beginnings[choice["index"]]
        return moved
