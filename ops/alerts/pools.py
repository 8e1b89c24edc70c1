"""What is wrong with a pool, an engine, a key or the watching itself, whoever asks."""

from typing import Final

from ops.alerts.rules import AWAY, Alert, Group, Severity, series
from ops.metrics import engine, table

QUIET: Final = "40s"
"""An engine that has requests and gives no token for so long is stuck, or busy with a prefill that
should have been refused. A prompt counts when it has been read to its end, so where one may take
longer (large models on CPUs) this alert comes too early, as its page says."""
_OF: Final = "by (namespace, model, replica)"


def _silent() -> str:
    """No token of an answer, and no prompt taken in."""
    made, read = engine.GENERATION_TOKENS.name, engine.ENGINE_PROMPT_TOKENS.name
    return f"sum {_OF} (increase({made}[{QUIET}]) + increase({read}[{QUIET}])) == 0"


ALERTS: Final = (
    Alert(
        "BifocalPoolNotReady",
        Severity.PAGE,
        f"max {AWAY} ({series(table.POOL_REPLICAS, state='ready')}) == 0 "
        f"and on (namespace, model) max {AWAY} ({table.POOL_WANTED.name}) > 0",
        "{{ $labels.model }} has no replica that answers",
        "Requests for it wait, go to another model where `instead` names one, or get 503.",
        after="5m",
    ),
    Alert(
        "BifocalReplicaLost",
        Severity.TICKET,
        f"max {AWAY} ({table.POOL_WANTED.name}) "
        f"- on (namespace, model) max {AWAY} ({series(table.POOL_REPLICAS, state='ready')}) > 0",
        "{{ $labels.model }} lacks {{ $value }} of its replicas",
        "The others carry its load: answers begin later, and the next loss hurts more.",
        after="15m",
    ),
    Alert(
        "BifocalEngineStuck",
        Severity.PAGE,
        f"sum {_OF} ({table.REPLICA_IN_FLIGHT.name}) > 0 and on (namespace, model, replica) "
        f"({_silent()})",
        "An engine of {{ $labels.model }} has {{ $value }} requests and gives no token "
        "(replica {{ $labels.replica }})",
        "Its streams stand still. The gateway takes it out of routing and Serve replaces it after "
        "`stuckAfter`; where that does not happen, nobody else does.",
        after="10s",
    ),
    Alert(
        "BifocalKvThrashing",
        Severity.TICKET,
        f"rate({engine.PREEMPTIONS.name}[10m]) > 0.05 "
        f"and max_over_time({engine.KV_USAGE.name}[10m]) > 0.9",
        "{{ $labels.model }} throws out requests to make room in its KV cache "
        "(replica {{ $labels.replica }})",
        "Those requests are computed again: tokens come late, and the GPU works for nothing.",
        after="10m",
    ),
    Alert(
        "BifocalMetricsGone",
        Severity.PAGE,
        f"absent({table.OBJECTIVE.name})",
        "No gateway has told its metrics for five minutes",
        "Nobody would be told of a broken promise.",
        after="5m",
    ),
    Alert(
        "BifocalEngineMetricsGone",
        Severity.TICKET,
        f"max {AWAY} ({series(table.POOL_REPLICAS, state='ready')}) > 0 "
        f"unless on (namespace, model) count by (namespace, model) ({engine.RUNNING.name})",
        "{{ $labels.model }} answers, but what its engines count does not arrive",
        "A stuck engine or a full KV cache of it would not be noticed.",
        after="10m",
    ),
    Alert(
        "BifocalKeyExpires",
        Severity.TICKET,
        f"min {AWAY} ({table.KEY_EXPIRES.name}) - time() < 7 * 86400",
        "A key of team {{ $labels.team }} expires in {{ $value | humanizeDuration }}",
        "From then on requests with it get 401.",
    ),
)
POOLS: Final = Group("pools", ALERTS)
