"""What is done, and to which process."""

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Of a process. The first three belong to the one replica that is chosen as the victim."""

    WORKER = "a worker of the engine"
    CORE = "the engine's core"
    REPLICA = "the replica"
    GATEWAY = "the gateway"
    HEAD = "Ray's head"
    NODE = "a node, with all that runs on it"


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    signal: signal.Signals
    role: Role


FAULTS: Final = tuple(
    Fault(name, what, role)
    for name, what, role in (
        ("worker-killed", signal.SIGKILL, Role.WORKER),
        ("core-killed", signal.SIGKILL, Role.CORE),
        ("worker-stuck", signal.SIGSTOP, Role.WORKER),
        ("core-stuck", signal.SIGSTOP, Role.CORE),
        ("replica-killed", signal.SIGKILL, Role.REPLICA),
        ("gateway-killed", signal.SIGKILL, Role.GATEWAY),
        ("head-killed", signal.SIGKILL, Role.HEAD),
    )
)
"""The head comes last: on one machine nothing lives long without it."""

NODE_KILLED: Final = Fault("node-killed", signal.SIGKILL, Role.NODE)
"""Not one of one machine's: who has nodes sends it."""
