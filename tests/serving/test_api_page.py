"""`docs/api.md` says what the code does: fields, errors, routes."""

import re
from collections.abc import Iterator
from pathlib import Path

from serving import errors
from serving.gateway import app
from serving.routing import VIRTUAL
from serving.wire import beyond
from serving.wire import request as wire
from serving.wire.shapes import ChatFields, CompletionFields

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def rows(name: str) -> dict[str, str]:
    """The tables of a section: each row's first cell, and the rest of it."""
    cells = re.findall(r"^\| (.*?) \|(.*)\|$", section(name), re.MULTILINE)
    return {first: rest.strip() for first, rest in cells}


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_the_page_lists_the_fields_that_are_taken() -> None:
    told = {who: quoted(fields) for who, fields in rows("Fields").items()}
    both = told["Both endpoints"] | told["Both, vLLM's own"]
    assert both | told["Chat"] == wire.NAMES[ChatFields]
    assert both | told["Completions"] == wire.NAMES[CompletionFields]


def test_the_page_lists_the_fields_that_are_not() -> None:
    told = rows("Fields")
    assert quoted(told["Refused: nothing here does it"]) == beyond.UNSUPPORTED
    assert quoted(told["Refused: an operator's to set"]) == beyond.OPERATORS


def test_the_page_lists_the_fields_without_effect_with_their_values() -> None:
    told = rows("Fields")["Taken, and without effect"]
    assert quoted(told) == beyond.HARMLESS.keys()
    for name, harmless in beyond.HARMLESS.items():
        assert isinstance(harmless, type) or f"`{name}`: {beyond.allowed(harmless)}" in told


def of(kind: type[errors.BifocalError]) -> Iterator[type[errors.BifocalError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from of(below)


def test_the_page_lists_every_error_with_its_status_and_type() -> None:
    told = re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \|", section("Errors"), re.MULTILINE)
    there_are = [
        (str(kind.status), kind.code, kind.type)
        for kind in of(errors.BifocalError)
        if kind.code is not None
    ]
    assert sorted(told) == sorted(there_are)


def test_the_page_lists_the_routes() -> None:
    """As the module that holds them does."""
    assert app.__doc__ is not None
    there_are = set(re.findall(r"/\w[\w/]*", app.__doc__)) - {"/v1/models/"}
    told = set(re.findall(r"(?:GET|POST) (/\w[\w/]*)", section("Routes")))
    assert {route.rstrip("/") for route in told} == {route.rstrip("/") for route in there_are}


def test_the_page_lists_the_virtual_models() -> None:
    assert {name.strip("`") for name in rows("Models")} - {"Model", "---"} == set(VIRTUAL)
