"""Changes a class of somebody else's, but only once its module is imported by somebody else.

Most of vLLM's processes import none of the modules that are repaired; they must not pay for them.
"""

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

Repair = Callable[[ModuleType], None]
REPAIRED: Final = "repaired_by_bifocal"


def when_imported(module: str, repair: Repair) -> None:
    """At once if it is imported already."""
    if module in sys.modules:
        repair(sys.modules[module])
    else:
        sys.meta_path.insert(0, _Once(module, repair))


class _Once(MetaPathFinder):
    """Finds one module, by those who come after it, and is gone."""

    def __init__(self, module: str, repair: Repair) -> None:
        self._module = module
        self._repair = repair

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            self._repair_after(spec.loader)
        return spec

    def _repair_after(self, loader: Any) -> None:
        run = loader.exec_module

        def run_and_repair(module: ModuleType) -> None:
            run(module)
            self._repair(module)

        loader.exec_module = run_and_repair


def wrap(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """`make` gets the method and returns the one that takes its place in `owner`, once however
    often this is called: plugins may load more than once in a process."""
    held = inspect.getattr_static(owner, name)
    is_static = isinstance(held, staticmethod)
    old = held.__func__ if is_static else held
    if hasattr(old, REPAIRED):
        return
    new = functools.wraps(old)(make(old))
    setattr(new, REPAIRED, True)
    setattr(owner, name, staticmethod(new) if is_static else new)
