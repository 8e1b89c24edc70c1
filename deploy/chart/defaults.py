"""`values.yaml`: the defaults of what only Kubernetes knows, each under what it means.

The cluster file's own keys are not repeated: their defaults are the code's, and `docs/config.md`
tells of them.
"""

import textwrap
from collections.abc import Iterator
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from deploy.chart.values import GatewayValues, Values
from deploy.config import Cluster
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
}
"""What is added to a section of the cluster file is told, the rest is not."""


def text() -> str:
    defaults = "".join(f"{line}\n" for line in lines(Values, 0))
    return f"{HEAD}\nlongestAnswer: 1h\n\n{defaults}"


def lines(section: type[BaseModel], depth: int) -> Iterator[str]:
    """Of every key that may be left out, in the order of the class; a comment where it then is
    nothing."""
    known = _OF_FILE.get(section)
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        if known and name in known.model_fields and inner not in _OF_FILE:
            continue
        if field.default is PydanticUndefined:
            continue
        yield from _said(field.description or "", depth)
        key = field.alias or name
        if field.default is None:
            yield f"{'  ' * depth}# {key}:"
        else:
            yield from _entry(key, field.default, inner, depth)
        if depth == 0:
            yield ""


def _entry(key: str, default: Any, inner: type[BaseModel] | None, depth: int) -> Iterator[str]:
    indent = "  " * depth
    below = list(lines(inner, depth + 1)) if inner and not _is_short(default) else []
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
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_section else None


def _said(text: str, depth: int) -> Iterator[str]:
    indent = "  " * depth + "# "
    yield from textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
