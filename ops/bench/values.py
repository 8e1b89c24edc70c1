"""What is measured: the load, the answer to it, and the goals. Frozen values, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Load:
    """How one contender is asked, whoever it is."""

    name: str
    concurrency: int
    stream: bool
    tokens: int
    """Output tokens of every whole answer."""
    events: int | None = None
    """Events of every whole stream, `[DONE]` among them, where an upstream fixes it."""


PLAIN: Final = Load("plain", concurrency=32, stream=False, tokens=16)
EVENTS: Final = Load("events", concurrency=32, stream=True, tokens=64, events=67)
BUSY: Final = Load("busy", concurrency=32, stream=True, tokens=64)
LIGHT: Final = Load("light", concurrency=8, stream=True, tokens=64)
MOCK_LOADS: Final = (PLAIN, EVENTS)
ENGINE_LOADS: Final = (BUSY, LIGHT)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the load generator saw in its window."""

    seconds: float
    answers: int
    """Whole ones that ended, or were under way, in the window."""
    tokens_per_s: float
    requests_per_s: float
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    e2e_p50_ms: float | None
    e2e_p99_ms: float | None
    lost: Mapping[str, int]
    """Answers that were not whole, by what was wrong. Never empty without a message."""
    cpu_s: float
    """The load generator's own."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contender under one load in one round."""

    contender: str
    load: str
    round: int
    tally: Tally
    cpu_s_per_1000_tokens: Mapping[str, float]
    """By process."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number at the top of the report: `ours` against `theirs`, paired within each round."""

    key: str
    ours: str
    theirs: str
    load: Load
    measure: Literal["tokens_per_s", "requests_per_s", "ttft_p50_ms"]
    goal: float
    difference: bool = False
    """ours - theirs, at most `goal`; else ours / theirs, at least `goal`."""

    def reached(self, value: float) -> bool:
        return value <= self.goal if self.difference else value >= self.goal


REPLICA: Final = "replica"
BARE: Final = "bare vLLM"
GATEWAY: Final = "gateway"
INGRESS: Final = "default ingress"
MOCK: Final = "mock"
MOCK_GATEWAY: Final = "gateway, mock"
MOCK_PASSED: Final = "pass-through, mock"

COMPARISONS: Final = (
    Comparison("gateway_over_replica", GATEWAY, REPLICA, BUSY, "tokens_per_s", 0.9),
    Comparison("gateway_over_bare", GATEWAY, BARE, BUSY, "tokens_per_s", 0.8),
    Comparison("gateway_over_default_ingress", GATEWAY, INGRESS, BUSY, "tokens_per_s", 2.5),
    Comparison("ttft_added_ms", GATEWAY, REPLICA, LIGHT, "ttft_p50_ms", 10.0, difference=True),
    Comparison(
        "mock_plain_over_passthrough", MOCK_GATEWAY, MOCK_PASSED, PLAIN, "requests_per_s", 0.5
    ),
    Comparison(
        "mock_stream_over_passthrough", MOCK_GATEWAY, MOCK_PASSED, EVENTS, "requests_per_s", 0.8
    ),
)
