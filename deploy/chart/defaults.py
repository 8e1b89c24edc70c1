"""`values.yaml`: the defaults of what only Kubernetes knows, each under what it means.

The cluster file's own keys are not repeated: their defaults are the code's, and `docs/config.md`
tells of them.
"""

import textwrap
from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.chart.values import GatewayValues, GpuValues, Values
from deploy.config import Cluster
from deploy.groups import GpuSpec
from serving.config import GatewaySpec

WIDTH: Final = 100
HEAD: Final = """# Made by `python -m deploy.chart`; edit what it is made from.
#
# A cluster file is a values file: `gpus` and `models` are needed; `router`, `slo`, `tracing`,
# `weights` and the other keys of `gateway` are as docs/config.md has them. See profiles/ for whole
# ones.
"""
_OF_FILE: Final[dict[type[BaseModel], type[BaseModel]]] = {
    Values: Cluster,
    GatewayValues: GatewaySpec,
    GpuValues: GpuSpec,
}
"""What is added to a section of the cluster file is told, the rest is not."""


def text() -> str:
    defaults = "".join(f"{line}\n" for line in lines(Values, 0))
    return f"{HEAD}\nlongestAnswer: 1h\n\n{defaults}"


def lines(section: type[BaseModel], depth: int) -> Iterator[str]:
    """Of every key that may be left out, in the order of the class; a comment where it then is
    nothing."""
    for key, field in _own(section):
        inner = _section(field.annotation)
        if field.default is PydanticUndefined and inner is None:
            continue
        yield from _said(field.description or "", depth)
        if field.default is None or field.default is PydanticUndefined:
            yield from _as_comment(_shown(key, field, depth), depth)
        else:
            yield from _entry(key, field.default, inner, depth)
        if depth == 0:
            yield ""


def _own(section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """What a cluster file has not, and what more there is in its sections."""
    known = _OF_FILE.get(section)
    for name, field in section.model_fields.items():
        if known and name in known.model_fields and _section(field.annotation) not in _OF_FILE:
            continue
        yield field.alias or name, field


def _shown(key: str, field: FieldInfo, depth: int) -> Iterator[str]:
    """A key that stands in a comment, with all that it may hold; NAME is one of the user's own."""
    indent, inner = "  " * depth, _section(field.annotation)
    if inner is None:
        given = "" if field.default in (None, PydanticUndefined) else f" {_flow(field.default)}"
        yield f"{indent}{key}:{given}"
        return
    yield f"{indent}{key}:"
    if _is_map(field.annotation):
        depth += 1
        yield f"{'  ' * depth}NAME:"
    for name, each in _own(inner):
        needed = " Needed." if each.default is PydanticUndefined else ""
        yield from _said((each.description or "") + needed, depth + 1)
        yield from _shown(name, each, depth + 1)


def _as_comment(lines: Iterator[str], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for line in lines:
        yield f"{indent}# {line.removeprefix(indent)}"


def _entry(key: str, default: Any, inner: type[BaseModel] | None, depth: int) -> Iterator[str]:
    indent = "  " * depth
    whole = isinstance(default, BaseModel) and not _is_short(default)
    below = list(lines(inner, depth + 1)) if inner and whole else []
    if below:
        empty = all(line.lstrip().startswith("#") for line in below)
        yield f"{indent}{key}:{' {}' if empty else ''}"
        yield from below
    else:
        yield f"{indent}{key}: {_flow(default)}"


def _is_short(default: Any) -> bool:
    """One that differs from its section's own defaults, as an image's name."""
    return bool(default.model_fields_set) and type(default) not in _OF_FILE


def _flow(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    plain = list(value) if isinstance(value, tuple) else value
    made: str = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=WIDTH * 9)
    return made.removesuffix("...\n").strip()


def _section(annotation: Any) -> type[BaseModel] | None:
    """One, one that may be left out, or one by names of the user's own; not those of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = () if get_origin(annotation) is tuple else get_args(annotation)
    return next((found for part in parts if (found := _section(part))), None)


def _is_map(annotation: Any) -> bool:
    return get_origin(annotation) is dict


def _said(text: str, depth: int) -> Iterator[str]:
    indent = "  " * depth + "# "
    yield from textwrap.wrap(text, WIDTH - 2, initial_indent=indent, subsequent_indent=indent)
