"""What may stand in a bundle: no secret, and of logs no line that could hold a prompt. Pure.

Secrets that are known are taken out wherever they stand; others by how they look and by the names
that they are given. Prompts look like nothing in particular, so of a log only what has the shape of
a line by a program is kept: a line that begins as loggers begin theirs, frames of a traceback, the
kind of an exception without its words. In what is kept, words that go with a request's text take
the line out, and long quotations are cut.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

MASK: Final = "[secret]"
CUT: Final = "[cut]"
SHORTEST: Final = 6
"""A shorter text is no secret, and stands in too many places."""
LONGEST_LINE: Final = 600
LONGEST_QUOTE: Final = 40

NAMED: Final = re.compile(
    r"(?i)([\w.-]*(?:authorization|token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|"
    r"credential|private[_-]?key|cookie|x-api-key)[\w.-]*)"
)
_ASSIGNED: Final = re.compile(
    NAMED.pattern
    + r"""(["']?\s*[:=]\s*)(?:(?:bearer|basic)\s+)?("[^"\n]*"|'[^'\n]*'|[^\s,;}\])]+)"""
)
_SHAPES: Final = (
    re.compile(r"\bbf-[A-Za-z0-9_-]{16,}"),  # our own keys
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"\bhf_[A-Za-z0-9]{8,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"),
    re.compile(r"\bgh[opsu]_[A-Za-z0-9]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JSON web tokens
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL),
)
_USER: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@\"']+@")
_HARMLESS: Final = re.compile(
    r"(?i)tokenizer|tokens$|tokens?_total|_tokens|per_output_token|secret_?name"
)
"""Tokens that a model makes, settings about them, and names of Secrets."""

_LOGGED: Final = (
    re.compile(r"^(?:\([\w .=:-]+\) ?)*(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d"),  # vLLM
    re.compile(r"^(?:\([\w .=:-]+\) ?)*\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"),  # Python, Ray
    re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),  # Ray's C++
    re.compile(r"^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL|WARN)[ :] ?"),  # uvicorn
    re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d"),  # Kubernetes
    re.compile(r'^\{"audit": '),
)
_FRAME: Final = re.compile(r'^\s*(?:\||\+)?\s*File "[^"]+", line \d+')
_TRACEBACK: Final = re.compile(r"^\W*(?:Traceback \(most recent call last\)|Exception Group)")
_RAISED: Final = re.compile(r"\b([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Timeout))\b:?")
_OF_THE_SYSTEM: Final = (
    "OutOfMemoryError", "ImportError", "ModuleNotFoundError", "FileNotFoundError", "OSError",
    "PermissionError", "ConnectionRefusedError", "ConnectionResetError", "DistBackendError",
)  # fmt: skip
"""Exceptions whose words are of memory, files and networks, and of no request."""
_ANSWERED: Final = re.compile(r"( (?:WARNING|ERROR) [A-Za-z0-9._-]{1,128}: [a-z_]+): .*")
"""The gateway's own line on a request that failed: its id, the code, and an engine's words."""
_TEXT: Final = re.compile(
    r"(?i)prompt['\"]?\s*[:=]|messages?['\"]?\s*[:=]\s*\[|['\"]?(?:content|input|text|role)['\"]?\s*[:=]"
    r"|input_value|received request|request body|\bbody['\"]?\s*[:=]|prompt_token_ids|input_ids"
)
_QUOTED: Final = re.compile(rf"""(["'])((?:(?!\1).){{{LONGEST_QUOTE},}})\1""")


class Scrubber:
    """Knows the secrets of this service."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        known = {text.strip() for text in secrets if text and len(text.strip()) >= SHORTEST}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def text(self, text: str) -> str:
        """Without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for shape in _SHAPES:
            text = shape.sub(MASK, text)
        return _ASSIGNED.sub(_assigned, _USER.sub(rf"\1{MASK}@", text))

    def log(self, text: str) -> str:
        """Lines that may be shown; of the others how many there were."""
        return "".join(f"{line}\n" for line in self._lines(text))

    def value(self, value: Any) -> Any:
        """JSON-like data, by the names that values bear."""
        match value:
            case Mapping():
                return {str(name): self._named(str(name), inner) for name, inner in value.items()}
            case str():
                return self.text(value)
            case Sequence():
                return [self.value(_variable(inner)) for inner in value]
        return value

    def _named(self, name: str, inner: Any) -> Any:
        is_plain = not isinstance(inner, Mapping | list | tuple | bool | int | float | None)
        if is_plain and NAMED.fullmatch(name) and not _HARMLESS.search(name):
            return MASK
        return self.value(inner)

    def _lines(self, text: str) -> Iterator[str]:
        left_out, after_frame = 0, False
        for line in self.text(text).splitlines():
            shown = _shown(line, after_frame=after_frame)
            after_frame = _FRAME.match(line) is not None
            if shown is None:
                left_out += 1
                continue
            if left_out:
                yield f"[{left_out} left out]"
                left_out = 0
            yield shown
        if left_out:
            yield f"[{left_out} left out]"


def _shown(line: str, *, after_frame: bool) -> str | None:
    if _FRAME.match(line) or _TRACEBACK.match(line):
        return line[:LONGEST_LINE]
    if any(logged.match(line) for logged in _LOGGED):
        return None if _TEXT.search(line) else _short(_without_words(line))
    if (raised := _RAISED.search(line)) and not line[: raised.start()].strip("|+ "):
        return None if _TEXT.search(line) else _short(_without_words(line))
    if after_frame and line.startswith("    ") and not _TEXT.search(line):
        return _short(line)  # the source line of the frame above
    return None


def _without_words(line: str) -> str:
    """vLLM begins each line of a traceback as it begins a line of its log."""
    line = _ANSWERED.sub(rf"\1: {CUT}", line)
    raised = _RAISED.search(line)
    if raised is None or raised[1].rpartition(".")[2] in _OF_THE_SYSTEM:
        return line
    return line[: raised.end()] if raised.end() == len(line) else f"{line[: raised.end()]} {CUT}"


def _short(line: str) -> str:
    return _QUOTED.sub(rf"\1{CUT}\1", line)[:LONGEST_LINE]


def _assigned(found: re.Match[str]) -> str:
    name, between = found[1], found[2]
    return found[0] if _HARMLESS.search(name) else f"{name}{between}{MASK}"


def _variable(item: Any) -> Any:
    """A container's variable bears its name in a field of its own."""
    if isinstance(item, Mapping) and isinstance(item.get("value"), str) and "name" in item:
        name = str(item["name"])
        if NAMED.fullmatch(name) and not _HARMLESS.search(name):
            return {**item, "value": MASK}
    return item
