"""One answer as the client sees it, and whether all of it came. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

_CONTENT: Final = re.compile(rb'"(?:content|reasoning|reasoning_content|text)":\s*"[^"]')
_TOKENS: Final = re.compile(rb'"completion_tokens":\s*(\d+)')
_FINISHED: Final = re.compile(rb'"finish_reason":\s*"')
_DONE: Final = b"data: [DONE]\n\n"
_TAIL: Final = 2048
"""The last event with usage and `[DONE]` are well within this."""


@dataclass(slots=True)
class Answer:
    """Times are of the monotonic clock. It is filled while bytes come in."""

    began: float
    ended: float = 0.0
    first: float | None = None
    """When the first token of content, or of thinking, was there."""
    status: int = 0
    problem: str | None = None
    parts: list[bytes] = field(default_factory=list)

    def take(self, part: bytes, now: float) -> None:
        # A pattern cut in two by the network is missed, and the next event's is found.
        if self.first is None and _CONTENT.search(part):
            self.first = now
        self.parts.append(part)


def whole(answer: Answer, *, stream: bool, tokens: int, events: int | None = None) -> str | None:
    """What is wrong with it, or None. `events` is the exact number of events of a whole stream,
    `[DONE]` included, where it is known: an engine may put several tokens into one."""
    if answer.problem is not None:
        return answer.problem
    if answer.status != 200:
        return f"status {answer.status}"
    body = b"".join(answer.parts)
    tail = body[-_TAIL:]
    if stream and not tail.endswith(_DONE):
        return "no [DONE]"
    if not stream and not tail.rstrip().endswith(b"}"):
        return "no end"
    if b'{"error"' in tail:
        return "an error event"
    if not _FINISHED.search(tail):
        return "no finish_reason"
    return _count_problem(body, tail, tokens, events)


def _count_problem(body: bytes, tail: bytes, tokens: int, events: int | None) -> str | None:
    found = _TOKENS.search(tail)
    if found is None:
        return "no usage"
    if int(found[1]) != tokens:
        return f"{int(found[1])} tokens for {tokens}"
    if events is not None and (seen := body.count(b"\n\n")) != events:
        return f"{seen} events for {events}"
    return None
