"""Imports shared: on a CPU the engine's processes are forked from one that has imported already.

Nearly all of a small engine's start is imports, three times over: in the replica, in the engine's
core, in its worker, one after the other. Here a fork server imports for core and workers while the
replica imports for itself, and they begin where it stands. It is Python's own, begun before vLLM is
imported; vLLM asks one function for the way to start a process, and that is what is replaced.

Only on a CPU: a process must not be forked once it has touched CUDA. Only with threads that are
bound to no core (`VLLM_CPU_OMP_THREADS_BIND=nobind`): OpenMP reads its variables once, as it is
loaded. `BIFOCAL_FORK_SERVER=0` in a model's `env` turns it off.

For Python 3.11 and vLLM 0.29.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import MappingProxyType, ModuleType
from typing import Final

from serving.pools.sharding.patching import when_imported

SWITCH: Final = "BIFOCAL_FORK_SERVER"
BINDING: Final = "VLLM_CPU_OMP_THREADS_BIND"
MODULE: Final = "vllm.utils.system_utils"
PRELOADED: Final = "serving.pools.preloaded"


class EngineProcess(ForkServerProcess):
    """One that is forked, and does not show it: it has the environment that its parent had when it
    was started, not the fork server's, and it does not outlive its parent."""

    _environment: Mapping[str, str] = MappingProxyType({})

    def start(self) -> None:
        self._environment = dict(os.environ)
        super().start()

    def run(self) -> None:
        os.environ.update(self._environment)
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        super().run()


class EngineContext(ForkServerContext):
    Process = EngineProcess


CONTEXT: Final = EngineContext()


def wanted(env: Mapping[str, str]) -> bool:
    return env.get(SWITCH, "1") != "0" and shares_cores(env)


def shares_cores(env: Mapping[str, str]) -> bool:
    """An engine on a CPU whose threads are bound to no core, beside others."""
    return env.get(BINDING) == "nobind"


def begin() -> None:
    """Returns at once, while the server imports; it ends when nobody is left who could ask it."""
    forkserver.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()
    use()


def use() -> None:
    """vLLM shall start its processes here."""
    when_imported(MODULE, _replace)


def use_within() -> None:
    """Where processes are forked that themselves ask for more. Python 3.11 does not know in a child
    that a server runs, and would begin another, which would import everything once more."""
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    use()


def _replace(module: ModuleType) -> None:
    module.get_mp_context = lambda: CONTEXT  # type: ignore[attr-defined]


def _end_with_parent() -> None:
    """A child of the fork server is not told by the system; a replica that was killed would leave
    its engine behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)
