"""Processes of an engine on a CPU nap while they wait for each other.

Core and workers hand each other every step through shared memory, and vLLM's reader turns on the
spot until the next one is there, for a second before it falls asleep. On a GPU's host that is time
nobody else wants. Here the processes of several engines, their replicas and the gateway share few
cores, and two that turn take them from those that compute. So they look again after a nap.

They cannot sleep until they are called: ZeroMQ drops the call where the last one was less than
about a millisecond ago (its queue holds one, and it looks only so often whether that has left). So
tried, an engine made 3 answers a second instead of 41.

Only where threads are bound to no core (`VLLM_CPU_OMP_THREADS_BIND=nobind`), as ours are.
For vLLM 0.29.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

MODULE: Final = "vllm.distributed.device_communicators.shm_broadcast"
NAP_S: Final = 0.0002


def repair(module: ModuleType) -> None:
    """Where another version has no such class, nothing is done."""
    condition = vars(module).get("SpinCondition")
    if condition is not None:
        wrap(condition, "wait", _napping)


def _napping(wait: Callable[..., None]) -> Callable[..., None]:
    def nap_or_wait(self: Any, timeout_ms: int | None = None) -> None:
        if time.monotonic() > self.last_read + self.busy_loop_s:
            wait(self, timeout_ms)
        else:
            time.sleep(NAP_S)

    return nap_or_wait
