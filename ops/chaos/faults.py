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
    NODE = "one node of two, that of the second stage"
    """With all that runs on it, as the next two."""
    FRONT_NODE = "one node of two, the replica's own"
    HEAD_NODE = "the node of Ray's head, which has no replica"


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
        ("replica-stuck", signal.SIGSTOP, Role.REPLICA),
        ("gateway-killed", signal.SIGKILL, Role.GATEWAY),
        ("head-killed", signal.SIGKILL, Role.HEAD),
    )
)
"""The head comes last: on one machine nothing lives long without it."""

NODES_KILLED: Final = tuple(
    Fault(name, signal.SIGKILL, role)
    for name, role in (
        ("node-killed", Role.NODE),
        ("front-node-killed", Role.FRONT_NODE),
        ("head-node-killed", Role.HEAD_NODE),
    )
)
"""None of one machine's: who has nodes sends them, and switches the nodes on again."""
