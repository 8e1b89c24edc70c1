"""What the router may know of a request: a few numbers and flags, and no text.

Decides what counts as a wish in the text (`/think`), a number, a sum, code, mathematics. It looks
at the latest user turn, and of a long one at its start and its end, so that the work is bounded
whatever a client sends; only the soft switch, an explicit wish, is looked for in all of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from serving.routing.words import (
    AND,
    CODE,
    MATHS,
    PLUS,
    REASONING,
    SUM,
    Vocabulary,
    entries_of,
    units_of,
)
from serving.values import AUTO, Mode, RequestFacts

HEAD_CHARS: Final = 3000
TAIL_CHARS: Final = 1000
"""People put the question before what it is about, or after it."""
LIST_CHARS: Final = 240
"""A longer text with a list of numbers in it is about them, not a sum of them."""
MAX_MENTIONS: Final = 64
"""So many `/think` that are no switches (paths, say) are passed over, from the end on."""

_SUM = Vocabulary.of(SUM)
_REASONING = Vocabulary.of(REASONING)
_CODE = Vocabulary.of(CODE)
_MATHS = Vocabulary.of(MATHS)


def _between_numbers(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\d\)?\s{{0,3}}(?:{'|'.join(alternatives)})\s{{0,3}}\(?\d")


def _any_of(table: Mapping[str, str]) -> str:
    return "|".join(sorted(map(re.escape, entries_of(table)), key=len, reverse=True))


_NUMBER = re.compile(r"\d+(?:[.,'’_٬٫]\d+)*")
"""Digits of any script; grouped and decimal ones are one number."""
_PLUS = _between_numbers("[+＋﹢➕]", _any_of(PLUS))
_LIST = _between_numbers(r"[,，、،;]", rf"[,，、،]?\s?(?:{_any_of(AND)})")

_HINT = re.compile(r"[\n`\\^{}()<>=;#*×÷·²³⁴ⁿ√∛∫∑∏∂∇∞≤≥≠≈≡∈∉∀∃⊂⊆∪∩ℝℕℤℚ]|SELECT ")
"""Without one of these there is neither code nor a formula, and most short prompts have none."""
# Each pattern starts with a letter or a small set of them, which the engine of `re` finds at the
# speed of memory; one pattern of alternatives would be tried at every character.
_FORMULA = tuple(
    map(
        re.compile,
        (
            r"[√∛∫∑∏∂∇∞≤≥≠≈≡∈∉∀∃⊂⊆∪∩ℝℕℤℚ]",
            r"\\(?:frac|d?int|sum|prod|sqrt|lim|log|sin|cos|begin|left|cdot|times|mathbb|pi)\b",
            r"\^\s?(?:[0-9A-Za-z(]|\{|-\d)",
            r"[²³⁴ⁿ](?<=[a-ln-zA-LN-Z0-9)].)",  # not the square metre's
            r"\d\d\s?[×*÷·]\s?\d\d",
            r"\d[xyz]\s?[-+*/=]",
            r"[xyz](?<!\w.)\s?[-+*/]\s?\w{1,9}\s?=",
        ),
    )
)
_SOURCE_SIGNS = (
    *("```", "#include", "Traceback (most recent", "std::", "printf(", "print("),
    *("=>", ");", "()", "{\n", "!= ", "== ", "</"),
)
_SOURCE = tuple(
    map(
        re.compile,
        (
            r"\n[ \t]{0,40}(?:def \w+\(|class \w[^\n]{0,80}:\n|import \w+\n|from \w+ import )",
            r"\n(?:#!/|@\w+\n|\$ \w+)",
            r"function \w{1,40}\(|function ?\(\w*\) ?\{",
            r"(?:const|let|var) \w+ ?=(?!=)",
            r"SELECT\s.{1,200}\sFROM\s",
        ),
    )
)


def facts_of(
    model: str | None,
    messages: Sequence[Mapping[str, Any]],
    *,
    enable_thinking: bool | None = None,
    reasoning_effort: str | None = None,
    tools: int = 0,
) -> RequestFacts:
    """`messages` as parsed JSON; whatever in them is not text is passed over."""
    question = _latest_user_turn(messages)
    window = _window(question)
    lower = window.lower()
    units = units_of(lower)
    numbers = _NUMBER.findall(window)
    hint = _HINT.search(window) is not None
    return RequestFacts(
        model=AUTO if model is None else model,
        enable_thinking=enable_thinking,
        soft_switch=soft_switch(question),
        reasoning_effort=reasoning_effort,
        prompt_chars=sum(len(text) for message in messages for text in _texts(message)),
        question_chars=len(question),
        numbers=len(numbers),
        longest_number=max(map(_digits, numbers), default=0),
        asks_for_sum=len(numbers) > 1 and _asks_for_sum(lower, units, len(numbers)),
        has_code=(hint and _holds_source(window)) or _CODE.speaks_in(lower, units),
        has_maths=(hint and _holds_formula(window)) or _MATHS.speaks_in(lower, units),
        asks_for_reasoning=_REASONING.speaks_in(lower, units),
        tools=tools,
    )


def _holds_source(text: str) -> bool:
    if any(map(text.__contains__, _SOURCE_SIGNS)):
        return True
    lines = f"\n{text}\n"
    return any(pattern.search(lines) for pattern in _SOURCE)


def _holds_formula(text: str) -> bool:
    return any(pattern.search(text) for pattern in _FORMULA)


def soft_switch(text: str) -> Mode | None:
    """`/think` or `/no_think` as a word of its own, the later one; `/think/about.md` is a path."""
    on, off = _last_word(text, "/think"), _last_word(text, "/no_think")
    if on == off:  # neither is there
        return None
    return Mode.THINKING if on > off else Mode.PLAIN


def _last_word(text: str, switch: str) -> int:
    """Where it stands, or -1."""
    at = text.rfind(switch) if switch in text else -1
    for _ in range(MAX_MENTIONS):
        if at < 0 or _stands_alone(text, at, at + len(switch)):
            return at
        at = text.rfind(switch, 0, at)
    return -1


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Not part of a word or a path. Scripts without spaces may touch it."""
    before, after = text[start - 1 : start], text[end : end + 2]
    return not (
        _joins(before)
        or before in {"/", ".", ":", "~", "-"}
        or _joins(after[:1])
        or after[:1] in {"/", "-"}
        or (after[:1] == "." and _joins(after[1:]))
    )


def _joins(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _latest_user_turn(messages: Sequence[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return "\n".join(_texts(message))
    return ""


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    """Its text, whether it came as a string or in parts."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, Sequence):
        for part in content:
            if isinstance(part, Mapping) and isinstance(text := part.get("text"), str):
                yield text


def _window(text: str) -> str:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def _digits(number: str) -> int:
    return sum(map(str.isdecimal, number))


def _asks_for_sum(text: str, units: frozenset[str], numbers: int) -> bool:
    if _PLUS.search(text) or _SUM.speaks_in(text, units):
        return True
    return numbers > 2 and len(text) <= LIST_CHARS and len(_LIST.findall(text)) >= 2
