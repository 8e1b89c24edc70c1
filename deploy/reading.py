"""YAML text as data and the line of every key, read as one means it.

YAML 1.2's scalars (`on` is a word, `010` no octal number, a date no date), no key twice, no
aliases, a depth and a size that end. What the data mean is decided elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
_TRUE: Final = frozenset({True, "true"})

Place = tuple[str, ...]
"""The keys that lead to a value."""


class UnreadableFile(Exception):
    """The message names the file, the line where there is one, and what to do."""


@dataclass(frozen=True, slots=True)
class Document:
    """`lines` says where each place stands, from 1."""

    data: Any
    lines: Mapping[Place, int]


def read_document(path: Path) -> Document:
    """Raises UnreadableFile."""
    return parse(text_of(path), str(path))


def parse(text: str, name: str) -> Document:
    """`name` is the file's, for the messages."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            _note_lines(node, (), lines)
        return Document(None if node is None else loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        msg = f"{name}{line}: {error.problem or error.context}"
        raise UnreadableFile(msg) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        msg = f"{name}: {error}"
        raise UnreadableFile(msg) from None


def with_on(document: Document) -> Document:
    """With every model's `on`, of which YAML 1.1 makes true: `helm get values` writes `"true":`."""
    models = document.data.get("models") if isinstance(document.data, dict) else None
    if not isinstance(models, dict):
        return document
    lines = dict(document.lines)
    found = {}
    for name, model in models.items():
        found[name] = model
        if isinstance(model, dict) and "on" not in model and model.keys() & _TRUE:
            found[name] = {"on" if key in _TRUE else key: value for key, value in model.items()}
            lines["models", str(name), "on"] = lines["models", str(name), "true"]
    return Document({**document.data, "models": found}, lines)


def text_of(path: Path) -> str:
    """Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise UnreadableFile(msg) from None
    if len(content) > MAX_FILE_BYTES:
        msg = f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB; that is no file of ours"
        raise UnreadableFile(msg)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{path}: not UTF-8 (byte {error.start})"
        raise UnreadableFile(msg) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, less what YAML 1.1 guesses."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            problem = "aliases (`*name`) are not taken; write the value out"
            raise self._refused(problem)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH}"
            raise self._refused(problem)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refused(self, problem: str) -> yaml.MarkedYAMLError:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first
    )


def _note_lines(node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    """Also where a key stands twice: PyYAML would take the last one in silence."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, (*place, str(index)), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*place, str(key.value))
            if at in lines:
                problem = f"{'.'.join(at)} stands there twice, first on line {lines[at]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            lines[at] = key.start_mark.line + 1
            _note_lines(value, at, lines)
