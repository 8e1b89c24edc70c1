"""What a key of the cluster file may hold, in words, and what is wrong with a file, key by key.

The words come from the types, so the messages, `docs/config.md` and the check never disagree.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NewType

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from deploy.reading import Place
from serving.config import Bytes, Seconds

MAX_FOUND_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class Words:
    """In an Annotated, of what its other constraints would say less well."""

    text: str


def allowed(annotation: Any, constraints: Iterable[object] = ()) -> str:
    """`a whole number >= 1, or {min, max}`"""
    annotation, constraints = _opened(annotation, tuple(constraints))
    options = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        return ", or ".join(allowed(option) for option in options if option is not type(None))
    if origin is Literal:
        return ", ".join(map(str, options))
    if origin is dict:
        return f"a map of {allowed(options[0])} to {allowed(options[1])}"
    if origin is tuple:
        return f"a list of {allowed(options[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"{{{', '.join(keys_of(annotation))}}}"
    return _scalar(annotation, constraints)


def keys_of(section: type[BaseModel]) -> list[str]:
    """As the file writes them."""
    return [field.alias or name for name, field in section.model_fields.items()]


def field_at(section: type[BaseModel], key: str) -> FieldInfo | None:
    return next((f for name, f in section.model_fields.items() if key == (f.alias or name)), None)


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a value may be, or that a map's values are."""
    sections, maps = _parts(annotation)
    return sections + [found for inner in maps for found in _parts(inner)[0]]


def problems(error: ValidationError, root: type[BaseModel]) -> list[tuple[Place, str]]:
    """One a place; of a union's parts, the one that the file seems to mean."""
    found: dict[Place, str] = {}
    for detail in error.errors(include_url=False):
        place, annotation = _located(detail["loc"], root)
        if _is_map_for(annotation, detail):
            continue  # the section among the options has told what is wrong inside
        found.setdefault(place, _complaint(detail, place, annotation))
    return list(found.items())


def _is_map_for(annotation: Any, detail: Mapping[str, Any]) -> bool:
    sections, _ = _parts(annotation)
    is_scalars = detail["type"] in ("int_type", "string_type")
    return bool(sections) and is_scalars and isinstance(detail["input"], Mapping)


def _complaint(detail: Mapping[str, Any], place: Place, annotation: Any) -> str:
    kind = detail["type"]
    sections, _ = _parts(annotation)
    if kind == "extra_forbidden":
        return _unknown(place[-1], [key for section in sections for key in keys_of(section)])
    if kind == "missing":
        return f"missing; allowed: {allowed(annotation)}"
    if kind == "value_error" and sections:
        return str(detail["ctx"]["error"])  # a check across fields says all itself
    found = _found(detail["input"])
    if kind == "value_error":
        return f"found {found}; allowed: {detail['ctx']['error']}"
    return f"found {found}; allowed: {allowed(annotation)}"


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {hint}allowed: {', '.join(known)}"


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= MAX_FOUND_CHARS else f"{text[:MAX_FOUND_CHARS]}…"


def _located(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[Place, Any]:
    """The place in the file and the type that stands there: pydantic's own tags (which part of a
    union, `[key]`) are left out. For an unknown key the type is the section's that lacks it."""
    place: list[str] = []
    current: Any = root
    tagged = False
    for step in loc:
        inner = _step(_chosen(current) if tagged else current, step)
        tagged = inner is _TAG
        if tagged:
            continue
        place.append(str(step))
        if inner is None:
            break
        current = inner
    return tuple(place), current


_TAG: Final = object()


def _step(annotation: Any, step: int | str) -> Any:
    """The type one step further in; None where there is no such key, _TAG where it is no step."""
    if step == "[key]":
        return _TAG
    sections, maps = _parts(annotation)
    for section in sections:
        if field := field_at(section, str(step)):
            return (
                typing.Annotated[field.annotation, *field.metadata]
                if field.metadata
                else field.annotation
            )
    if maps:
        return maps[0]
    # What may be left out is no part that pydantic would name.
    is_union = len([each for each in _options(annotation) if each is not type(None)]) > 1
    return None if sections and not is_union else _TAG


def _chosen(annotation: Any) -> Any:
    """The option of a union that has an inside."""
    sections, _ = _parts(annotation)
    return sections[0] if sections else annotation


def _parts(annotation: Any) -> tuple[list[type[BaseModel]], list[Any]]:
    """The sections, and the types of items in maps and lists, among a type's options."""
    sections, maps = [], []
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            sections.append(option)
        elif typing.get_origin(option) is dict:
            maps.append(typing.get_args(option)[1])
        elif typing.get_origin(option) is tuple:
            maps.append(typing.get_args(option)[0])
    return sections, maps


def _options(annotation: Any) -> Iterator[Any]:
    annotation, _ = _opened(annotation, ())
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        for option in typing.get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _opened(annotation: Any, constraints: tuple[object, ...]) -> tuple[Any, tuple[object, ...]]:
    """Without NewType and Annotated; what the latter held is among the constraints."""
    while True:
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif typing.get_origin(annotation) is typing.Annotated:
            annotation, *more = typing.get_args(annotation)
            constraints = (*constraints, *more)
        else:
            return annotation, constraints


def _scalar(annotation: Any, constraints: tuple[object, ...]) -> str:
    for unit, words in _UNITS:
        if unit in constraints:
            return words
    for constraint in _flat(constraints):
        if isinstance(constraint, Words):
            return constraint.text
    words = _WORDS.get(annotation, str(annotation))
    for constraint in _flat(constraints):
        words += _bound(constraint)
    return words


def _flat(constraints: Iterable[object]) -> Iterator[object]:
    for constraint in constraints:
        if isinstance(constraint, FieldInfo):
            yield from constraint.metadata
        else:
            yield constraint


def _bound(constraint: object) -> str:
    if isinstance(constraint, annotated_types.Ge):
        return f" >= {constraint.ge}"
    if isinstance(constraint, annotated_types.Le):
        return f" and <= {constraint.le}"
    if isinstance(constraint, annotated_types.Gt):
        return f" > {constraint.gt}"
    pattern = getattr(constraint, "pattern", None)
    return f" like {pattern}" if pattern else ""


_WORDS: Final[Mapping[Any, str]] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
}
_UNITS: Final = tuple(
    (typing.get_args(unit)[1], words)
    for unit, words in (
        (Seconds, "a duration such as 500ms, 30s, 5m, 1h, 90d"),
        (Bytes, "a size such as 64KiB, 4MiB"),
    )
)
"""By the validator that reads them."""
