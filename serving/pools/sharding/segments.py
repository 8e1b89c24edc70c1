"""Two nodes: vLLM's shared memory on a CPU takes ranks of two hosts for ranks of one.

Ranks talk through a segment of shared memory if all agree on its name. Under Ray's executor the
name holds nothing of the host, so ranks of two hosts agree, and the second finds no such segment:
`RuntimeError: open shm in SHMManager failed. errno: 2`. Here the name tells the host and its
`/dev/shm`, and ranks that do not share one talk through gloo.

For vLLM 0.29.
"""

import os
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

MODULE: Final = "vllm.distributed.device_communicators.cpu_communicator"
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  # where the system keeps it


def repair(module: ModuleType) -> None:
    wrap(module._CPUSHMDistributed, "make_group_name", _of_this_host)


def _of_this_host(make_group_name: Callable[..., str]) -> Callable[..., str]:
    def name(communicator: Any) -> str:
        """Two containers of one host share its name or not, their `/dev/shm` or not."""
        device = os.stat(SHARED_MEMORY).st_dev
        return f"{make_group_name(communicator)}-{socket.gethostname()}-{device}"

    return name
