"""Is this answer right? One verdict for one question and one reply.

It decides strictly: a sum is its digits, a fact its word, a small talk its sentence, a tool
call exactly one call with exactly the right arguments. Casing, outer spaces and a full stop
are forgiven; a second answer beside the right one is not.
"""

import json
import re
from dataclasses import dataclass

from deploy.pocket.exam import Question


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the visible text, and each tool call as (name, arguments in JSON)."""

    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    error: str = ""


def right(question: Question, reply: Reply) -> bool:
    """Whether the reply answers the question, and nothing else."""
    if reply.error:
        return False
    if question.call is not None:
        return not reply.content.strip() and _is_call(question.call, reply.calls)
    if reply.calls:
        return False
    if question.number is not None:
        return re.findall(r"\d+", reply.content) == [str(question.number)]
    return _plain(reply.content) == _plain(question.text or "")


def _is_call(wanted: dict[str, object], calls: tuple[tuple[str, str], ...]) -> bool:
    if len(calls) != 1:
        return False
    name, arguments = calls[0]
    try:
        given = json.loads(arguments)
    except ValueError:
        return False
    return name == wanted["name"] and given == wanted["arguments"]


def _plain(text: str) -> str:
    return text.strip().rstrip(".。").casefold()
