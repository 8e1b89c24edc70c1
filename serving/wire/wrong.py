"""What is wrong with a value, in words: what was found, where, and what is allowed.

msgspec says where, and of a type or a range what it expected. What was found is looked up in the
body, and what an enumeration allows in the table. Runs only for a request that is refused.
"""

import re
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from serving.errors import BifocalError, MalformedRequest, UnsupportedParameter
from serving.wire.json import encode

_PLACE: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_FIELD: Final = re.compile(r"Object (?P<how>\w+) \w+ field `(?P<name>.*)`", re.DOTALL)
_EXPECTED: Final = re.compile(r"Expected (?P<allowed>.*?)(?:, got `(?P<kind>.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"[^.\[\]]+|\[\.\.\.\]")
"""A field's name, the number in a list, or a key of the client's own, which msgspec withholds."""
_ENUM: Final = "Invalid enum value"
_SHOWN: Final = 48
"""Characters of a text."""


def refusal(error: msgspec.ValidationError, body: dict[str, Any], table: type) -> BifocalError:
    found = _PLACE.fullmatch(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    if field := _FIELD.fullmatch(what):
        return _of_field(
            f"{path}.{field['name'][:64]}".lstrip("."), missing=field["how"] == "missing"
        )
    steps = _STEP.findall(path)
    words = f"{path}: {_words(what, steps, body, table)}".removeprefix(": ")
    return MalformedRequest(words, param=path or None)


def _of_field(name: str, *, missing: bool) -> BifocalError:
    if missing:
        return MalformedRequest(f"{name} is missing", param=name)
    return UnsupportedParameter(f"{name} is not supported", param=name)


def _words(what: str, steps: list[str], body: dict[str, Any], table: type) -> str:
    expected = _EXPECTED.fullmatch(what)
    if expected is not None:
        found, allowed = _found(body, steps, expected["kind"]), expected["allowed"]
        return f"found {found}; allowed: {allowed.replace('`', '')}"
    if what.startswith(_ENUM):
        allowed = ", ".join(choices(table, steps))
        return f"found {_found(body, steps, None)}; allowed: {allowed}"
    return what


def _found(body: dict[str, Any], steps: list[str], kind: str | None) -> str:
    value: Any = body
    for step in steps:
        if step == "[...]":
            return kind or "another value"
        value = value[int(step)] if isinstance(value, list) else value[step]
    return show(value)


def show(value: object) -> str:
    """As JSON, if it is short; of a long text the beginning, of the rest what it is."""
    match value:
        case dict():
            return "an object"
        case list() if len(value) > 1 or any(isinstance(item, dict | list) for item in value):
            return "a list"
        case list():
            return f"[{', '.join(show(item) for item in value)}]"
        case str() if len(value) > _SHOWN:
            return f"{encode(value[:_SHOWN]).decode()}... ({len(value)} characters)"
        case _:
            return encode(value).decode()


def choices(hint: Any, steps: list[str]) -> list[str]:
    """The words that the type takes at that place, and whether it takes an object as well."""
    parts = get_args(hint)
    match get_origin(hint):
        case origin if origin is Literal:
            return [] if steps else list(parts)
        case origin if origin is list:
            return choices(parts[0], steps[1:]) if steps else []
        case origin if origin in (Union, UnionType):
            return [word for part in parts for word in choices(part, steps)]
    if not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        return []
    if not steps:
        return ["an object"]
    return choices(get_type_hints(hint).get(steps[0]), steps[1:])
