"""Where a replica's start goes: each of its processes says when a step is done, `steps` adds up.

They say so on their standard error, which Ray keeps as the replica's log on whatever node it is, so
it can be read while the replica starts, after it failed, and with nothing of ours in between. One
line a step; whoever reads it needs neither Ray nor vLLM.
"""

import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """In the order in which they are done."""

    PROCESS = "process"
    """Ray places the replica and starts its process; Serve makes the instance."""
    FETCHED = "fetching weights"
    """Of a model whose weights are no folder: brought to each of the replica's nodes."""
    IMPORTS = "imports"
    """Of vLLM's front end and Ray's server, in the replica's own process."""
    CORE = "engine core"
    """The engine's configuration; its core's process and imports."""
    WORKERS = "workers"
    """Their processes and imports. Told only by those that the core itself starts."""
    WEIGHTS = "weights"
    """Devices, communication between ranks, and the weights of all of them."""
    PROFILE = "compile, profile"
    """A first pass through the model on a GPU, which compiles it; next to nothing on a CPU."""
    KV_CACHE = "KV cache, graphs"
    ENGINE = "engine answers"
    """The scheduler, and the front end's side of it."""
    WARM_UP = "warm-up"
    """First requests, so that no client pays for what they cost."""
    READY = "server"
    """vLLM's HTTP application."""


ORDER: Final = tuple(Step)
SKIPPED: Final = frozenset({Step.FETCHED})
"""Steps that a start may do without."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A step is done; `at` in seconds since the epoch, by the clock of the replica's node."""

    step: Step
    at: float


@dataclass(frozen=True, slots=True)
class Took:
    """What a step added: it begins where the one before it ended, whatever ran beside it."""

    step: str
    begin_s: float
    """After the beginning of the start."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Noted:
    """What a replica is at, in its own words."""

    text: str
    held: bool = False
    """It does not go on until something is mended."""


@dataclass(frozen=True, slots=True)
class Said:
    """All that a replica has said of its start so far."""

    marks: tuple[Mark, ...] = ()
    noted: Noted | None = None
    """The latest."""

    def has_done(self, step: Step) -> bool:
        return any(mark.step is step for mark in self.marks)

    @property
    def fetching(self) -> Noted | None:
        """How far the weights are, while they come."""
        return None if self.has_done(Step.FETCHED) else self.noted


OF_A_START: Final = 1 << 20
"""Characters of a log in which a start is told; what is written later may be of any size."""
_LINE: Final = "bifocal start: "
_MARK: Final = re.compile(rf"{_LINE}(\d+\.\d+) (.+)")
_NOTE: Final = re.compile(r"bifocal (note|held): (.+)")
_STEPS: Final = {step.value: step for step in Step}


def mark(step: Step) -> None:
    """In any process of the replica, in one write: others write to the same log."""
    sys.stderr.write(f"{_LINE}{time.time():.3f} {step}\n")
    sys.stderr.flush()


def note(text: str, *, held: bool = False) -> None:
    """Of what takes long. One line, whatever the text."""
    line = "; ".join(text.split("\n"))
    sys.stderr.write(f"bifocal {'held' if held else 'note'}: {line}\n")
    sys.stderr.flush()


def said(log: str) -> Said:
    noted = _NOTE.findall(log)
    last = Noted(noted[-1][1], noted[-1][0] == "held") if noted else None
    return Said(tuple(marks(log)), last)


def marks(log: str) -> list[Mark]:
    """vLLM puts the name of the process before a line."""
    found = [(float(at), _STEPS.get(name.strip())) for at, name in _MARK.findall(log)]
    return [Mark(step, at) for at, step in found if step is not None]


def steps(said: Iterable[Mark], began: float) -> list[Took]:
    """Up to the last step that is done. Of several ranks the slowest counts. A step that nobody
    told of is part of the next one."""
    done: dict[Step, float] = {}
    for one in said:
        done[one.step] = max(one.at, done.get(one.step, one.at))
    found, before, untold = [], began, ""
    for step in ORDER:
        if step in done:
            end = max(before, done[step])
            found.append(Took(untold + step, round(before - began, 3), round(end - before, 3)))
            before, untold = end, ""
        elif step not in SKIPPED:
            untold += f"{step}, "
    return found
