"""Which requests are traced, and what is kept of one until it has ended. Pure.

A client's `traceparent` (W3C Trace Context) gives ids and may say no; how many are traced is the
cluster file's to say. A record holds numbers and bounded names; `ops` makes spans of it once the
request has ended, so one that is not traced costs no more than the question.
"""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from serving.errors import BifocalError
from serving.values import Route, Target

_PARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_SAMPLED: Final = 1
_CHOSEN_BY: Final = 2**64
"""By the last 64 bits of a trace's id, as OpenTelemetry's TraceIdRatioBased has it."""
_bits: Final = random.Random().getrandbits
"""Seeded by the system; an id is no secret."""


class Parent(NamedTuple):
    """What a `traceparent` says."""

    trace_id: int
    span_id: int
    sampled: bool


def parse(traceparent: bytes) -> Parent | None:
    """None of what is none: the request then begins a trace of its own. A version to come may say
    more, behind another dash."""
    found = _PARENT.fullmatch(traceparent.strip())
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    return Parent(int(found[2], 16), int(found[3], 16), bool(int(found[4], 16) & _SAMPLED))


def chosen(trace_id: int, sample: float) -> bool:
    """All requests of one trace or none, at every gateway."""
    return trace_id % _CHOSEN_BY < sample * _CHOSEN_BY


class Stage(StrEnum):
    """What a step of a request is."""

    DECIDE = "decide"
    HOLD = "hold"
    """While its pool is away."""
    ATTEMPT = "attempt"
    """At one replica."""


@dataclass(slots=True)
class Step:
    """A part of a request's life. Times in seconds of the event loop's clock."""

    stage: Stage
    trace_id: int
    id: int
    began: float
    route: Route | None = None
    target: Target | None = None
    ended: float | None = None
    first_byte: float | None = None
    """When the replica's answer began."""
    first_token: float | None = None
    error: str | None = None

    @property
    def traceparent(self) -> str:
        """For whoever goes on from here."""
        return f"00-{self.trace_id:032x}-{self.id:016x}-{_SAMPLED:02x}"


@dataclass(slots=True)
class Trace:
    """What is kept of a request that is traced. Its steps count their ids on from its own, which
    tells them apart as well as chance does."""

    id: int
    span_id: int
    parent_id: int | None
    began: float
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(
        self,
        stage: Stage,
        clock: Callable[[], float],
        route: Route | None = None,
        target: Target | None = None,
    ) -> Iterator[Step]:
        made = Step(stage, self.id, self.span_id + len(self.steps) + 1, clock(), route, target)
        self.steps.append(made)
        try:
            yield made
        except BaseException as error:
            made.error = (error.code if isinstance(error, BifocalError) else None) or "cancelled"
            raise
        finally:
            made.ended = clock()


_NOT_TRACED: Final[AbstractContextManager[None]] = nullcontext()


def step(
    trace: Trace | None,
    stage: Stage,
    clock: Callable[[], float],
    route: Route | None = None,
    target: Target | None = None,
) -> AbstractContextManager[Step | None]:
    """Of a request that may not be traced; of that nothing is kept."""
    return _NOT_TRACED if trace is None else trace.step(stage, clock, route, target)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Says of each request whether it is traced."""

    sample: float
    """0..1, of all traces, whoever began them."""
    bits: Callable[[int], int] = _bits

    def begin(self, traceparent: bytes | None, now: float) -> Trace | None:
        """A client that does not sample its trace is followed. One that does is bounded by
        `sample`, or whoever has a key could fill the collector."""
        parent = None if traceparent is None else parse(traceparent)
        if parent is not None and not parent.sampled:
            return None
        trace_id = self.bits(128) or 1 if parent is None else parent.trace_id
        if not chosen(trace_id, self.sample):
            return None
        return Trace(trace_id, self.bits(63) + 1, parent and parent.span_id, now)
