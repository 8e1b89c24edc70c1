"""Every metric of the gateway, once.

Names follow Prometheus' conventions: base units, `_total` for counters. Every label is bounded:
models and reasons by the cluster file and the router, teams by a guard, error codes by the tree in
`serving.errors`. What follows from another metric has none of its own: aborted requests are
`bifocal_requests_total{outcome="aborted"}`. `docs/metrics.md` is written from this table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `unit` is what its number counts; `buckets` are upper bounds in that unit."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# The promises of a cluster file's defaults (0.5 and 3 s; 50 and 80 ms) are bounds, so that the
# share of requests that keep them is exact.
TTFT_BUCKETS = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300,
)  # fmt: skip
TPOT_BUCKETS = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.15, 0.2, 0.5, 1,
)  # fmt: skip
E2E_BUCKETS = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600,
)  # fmt: skip
"""Up to the default of `longestAnswer`."""

BY_ROUTE = ("model", "thinking")
BY_TEAM = (*BY_ROUTE, "team")

REQUESTS: Final = Metric(
    "bifocal_requests_total",
    Kind.COUNTER,
    "requests",
    "Requests that ended, by how they ended",
    ("endpoint", *BY_TEAM, "outcome"),
)
ERRORS: Final = Metric(
    "bifocal_errors_total",
    Kind.COUNTER,
    "requests",
    "Requests that ended with an error, by the error's code",
    ("endpoint", "code"),
)
IN_FLIGHT: Final = Metric(
    "bifocal_requests_in_flight",
    Kind.GAUGE,
    "requests",
    "Requests that were admitted and have not ended",
)
TTFT: Final = Metric(
    "bifocal_time_to_first_token_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From a request's first byte to the first token sent to the client; streams only",
    BY_ROUTE,
    TTFT_BUCKETS,
)
TPOT: Final = Metric(
    "bifocal_time_per_output_token_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Mean time of each token after the first, one value a whole stream",
    BY_ROUTE,
    TPOT_BUCKETS,
)
E2E: Final = Metric(
    "bifocal_request_duration_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From a request's first byte to the end of its answer; whole answers only",
    BY_ROUTE,
    E2E_BUCKETS,
)
PROMPT_TOKENS: Final = Metric(
    "bifocal_prompt_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Prompt tokens, as the engine counted them",
    BY_TEAM,
)
REASONING_TOKENS: Final = Metric(
    "bifocal_reasoning_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Output tokens that are thinking",
    BY_TEAM,
)
ANSWER_TOKENS: Final = Metric(
    "bifocal_answer_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Output tokens that are not thinking",
    BY_TEAM,
)
EMPTY_ANSWERS: Final = Metric(
    "bifocal_empty_answers_total",
    Kind.COUNTER,
    "requests",
    "Whole answers that are nothing but thinking: it used up what the answer may take",
    BY_ROUTE,
)
DECISIONS: Final = Metric(
    "bifocal_router_decisions_total",
    Kind.COUNTER,
    "requests",
    "Decisions of the router, by what was chosen and why",
    (*BY_ROUTE, "reason"),
)
PROMISES: Final = Metric(
    "bifocal_promises_total",
    Kind.COUNTER,
    "requests",
    "Requests under a promise of `slo` (`ttft`, `tpot`, `availability`), by whether it was kept",
    ("promise", *BY_ROUTE, "kept"),
)
OBJECTIVE: Final = Metric(
    "bifocal_promise_objective",
    Kind.GAUGE,
    "1",
    "The share of requests that shall keep a promise",
    ("promise", "thinking"),
)
PROMISED_SECONDS: Final = Metric(
    "bifocal_promise_seconds",
    Kind.GAUGE,
    "seconds",
    "What is promised: time to the first token, time for each one after it",
    ("promise", "thinking"),
)
REPLICA_FAILURES: Final = Metric(
    "bifocal_replica_failures_total",
    Kind.COUNTER,
    "failures",
    "Times a replica was not reached, refused, fell silent, failed amid an answer, or was late",
    ("model", "reason"),
)
RETRIES: Final = Metric(
    "bifocal_request_retries_total",
    Kind.COUNTER,
    "retries",
    "Times a request was sent to another replica",
    ("model",),
)

MODE_FORCED: Final = Metric(
    "bifocal_mode_forced",
    Kind.GAUGE,
    "0 or 1",
    "Whether an operator sends there all that `auto` decides",
    ("mode",),
)
POOL_DRAINED: Final = Metric(
    "bifocal_pool_drained",
    Kind.GAUGE,
    "0 or 1",
    "Whether an operator lets the pool take nothing new",
    ("model",),
)
POOL_REPLICAS: Final = Metric(
    "bifocal_pool_replicas",
    Kind.GAUGE,
    "replicas",
    "Replicas of a pool: `ready`, `failing` (it failed and has not answered since), `starting` "
    "(wanted and not there yet)",
    ("model", "state"),
)
POOL_WANTED: Final = Metric(
    "bifocal_pool_replicas_wanted",
    Kind.GAUGE,
    "replicas",
    "Replicas that a pool should have",
    ("model",),
)
REPLICA_IN_FLIGHT: Final = Metric(
    "bifocal_replica_requests_in_flight",
    Kind.GAUGE,
    "requests",
    "Requests of this gateway that are on a replica",
    ("model", "replica"),
)
KEY_EXPIRES: Final = Metric(
    "bifocal_key_expires_timestamp_seconds",
    Kind.GAUGE,
    "seconds",
    "When the next key of a team expires, in seconds since the epoch; nothing of keys that do not",
    ("team",),
)

COUNTED: Final = (
    REQUESTS, ERRORS, IN_FLIGHT, TTFT, TPOT, E2E, PROMPT_TOKENS, REASONING_TOKENS, ANSWER_TOKENS,
    EMPTY_ANSWERS, DECISIONS, REPLICA_FAILURES, RETRIES, MODE_FORCED, POOL_DRAINED,
)  # fmt: skip
"""Counted as things happen."""
LOOKED_AT: Final = (POOL_REPLICAS, POOL_WANTED, REPLICA_IN_FLIGHT, KEY_EXPIRES)
"""Looked up when someone asks."""
PROMISED: Final = (PROMISES, OBJECTIVE, PROMISED_SECONDS)
"""Of the promises in the cluster file."""
TABLE: Final = (*COUNTED, *LOOKED_AT, *PROMISED)
