"""What the engine's own processes say of the start: hooks in vLLM's core and workers.

vLLM loads its plugins in each process once its imports are done, and the core sees all else that
takes time through its executor, whichever that is: on a CPU and on GPUs, on one node and on many.
"""

import functools
import multiprocessing
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import when_imported, wrap
from serving.pools.start import Step, mark

EXECUTOR: Final = "vllm.v1.executor.abstract"
DONE_AFTER: Final[Mapping[str, Step]] = MappingProxyType(
    {
        "__init__": Step.WEIGHTS,
        "determine_available_memory": Step.PROFILE,
        "initialize_from_config": Step.KV_CACHE,
    }
)
"""Methods of vLLM's executor, each called once as the engine starts."""


def follow() -> None:
    """Called by vLLM in each of its processes, which are told apart by the names it gives them."""
    name = multiprocessing.current_process().name
    if name.startswith("EngineCore"):
        mark(Step.CORE)
        when_imported(EXECUTOR, _tell)
    elif name.startswith("VllmWorker"):
        mark(Step.WORKERS)


def _tell(module: ModuleType) -> None:
    for method, step in DONE_AFTER.items():
        wrap(module.Executor, method, functools.partial(_marking, step))


def _marking(step: Step, method: Callable[..., Any]) -> Callable[..., Any]:
    def do_and_mark(self: Any, *given: Any, **named: Any) -> Any:
        result = method(self, *given, **named)
        mark(step)
        return result

    return do_and_mark
