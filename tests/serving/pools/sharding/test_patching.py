"""How a class of somebody else's is changed."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serving.pools.sharding.patching import when_imported, wrap


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of one that nobody has imported."""
    (tmp_path / "not_yet_imported.py").write_text("WORD = 'old'\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield "not_yet_imported"
    sys.modules.pop("not_yet_imported", None)
    sys.meta_path[:] = finders


def to(word: str) -> Callable[[ModuleType], None]:
    def change(module: ModuleType) -> None:
        module.WORD = word + module.WORD  # type: ignore[attr-defined]

    return change


def test_a_module_is_changed_when_somebody_imports_it_and_is_not_imported_for_that(
    module: str,
) -> None:
    finders = list(sys.meta_path)
    when_imported(module, to("new "))
    assert module not in sys.modules
    assert importlib.import_module(module).WORD == "new old"
    assert sys.meta_path == finders


def test_one_that_is_imported_already_is_changed_at_once(module: str) -> None:
    found = importlib.import_module(module)
    when_imported(module, to("new "))
    assert found.WORD == "new old"


def test_two_changes_of_one_module_are_both_made(module: str) -> None:
    when_imported(module, to("one "))
    when_imported(module, to("two "))
    assert sorted(importlib.import_module(module).WORD.split()) == ["old", "one", "two"]


class Base:
    def inherited(self) -> str:
        return "inherited"


class Owner(Base):
    def method(self) -> str:
        return "method"

    @staticmethod
    def static() -> str:
        return "static"


@pytest.mark.parametrize("name", ["method", "static", "inherited"])
def test_a_method_is_wrapped_once_and_its_parents_is_left(name: str) -> None:
    owner = type("Owned", (Owner,), {})
    for _ in range(2):
        wrap(owner, name, _louder)
    assert getattr(owner(), name)() == f"{name}!"
    assert getattr(Owner(), name)() == name


def _louder(old: Callable[..., str]) -> Callable[..., str]:
    def new(*given: Any) -> str:
        return old(*given) + "!"

    return new
