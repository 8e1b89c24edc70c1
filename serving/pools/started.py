"""Where this replica's start went, as lines of its page of metrics.

Its processes have said so on their standard error, all of them on the same one, and Ray keeps that
as a file of the node. So it is read there, once, when the start is over, and nothing else has to
remember it. Where it is no file (in a terminal, in a test) nothing is told.
"""

import os
import stat
from typing import Final

from serving.pools.start import OF_A_START, Step, marks, steps

METRIC: Final = "bifocal_replica_start_step_seconds"
MEANING: Final = "How long a step of the replica's start took; from its process on"
STDERR: Final = 2


class Started:
    """Written by `app` once, read by `door`."""

    def __init__(self) -> None:
        self.lines = b""

    def read(self) -> None:
        self.lines = lines(own_log())


STARTED = Started()
"""One for the process: vLLM makes the door by its name."""


def own_log() -> str:
    """The beginning of what this process and its children have said so far."""
    if not stat.S_ISREG(os.fstat(STDERR).st_mode):
        return ""
    with open(f"/proc/self/fd/{STDERR}", errors="replace") as file:
        return file.read(OF_A_START)


def lines(log: str) -> bytes:
    """In Prometheus' text format. When Ray was asked for the replica, it cannot know; so the first
    step is the one after its process."""
    said = marks(log)
    begun = [mark.at for mark in said if mark.step is Step.PROCESS]
    if not begun:
        return b""
    rows = [f"# HELP {METRIC} {MEANING}", f"# TYPE {METRIC} gauge"]
    rows += [f'{METRIC}{{step="{of.step}"}} {of.seconds:g}' for of in steps(said, begun[-1])[1:]]
    return "\n".join([*rows, ""]).encode()
