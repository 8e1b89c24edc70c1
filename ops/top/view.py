"""What lies between two looks: rates, quantiles and shares. Pure.

Counters may begin anew where a gateway or a replica was replaced in between; what has become less
counts from 0, as in Prometheus.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ops.metrics import engine, table
from ops.metrics.table import Metric
from ops.top.moment import Moment, Page


@dataclass(frozen=True, slots=True)
class Replica:
    """One engine now; `tokens_s` since the earlier look."""

    name: str
    in_flight: int
    """Requests of the gateway that was asked."""
    running: int
    waiting: int
    kv_usage: float
    """0..1"""
    tokens_s: float


@dataclass(frozen=True, slots=True)
class Pool:
    """A model's replicas, and what its users saw since the earlier look."""

    model: str
    wanted: int
    ready: int
    failing: int
    starting: int
    requests_s: float
    ttft_p50_s: float | None
    """None where no stream began."""
    ttft_p95_s: float | None
    replicas: tuple[Replica, ...]

    @property
    def tokens_s(self) -> float:
        return sum(replica.tokens_s for replica in self.replicas)


@dataclass(frozen=True, slots=True)
class Decided:
    """So many requests went this way, for this reason."""

    model: str
    thinking: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A service over `seconds`."""

    seconds: float
    in_flight: int
    requests_s: float
    errors: Mapping[str, int]
    """By code."""
    pools: tuple[Pool, ...]
    decisions: tuple[Decided, ...]
    """The most frequent first."""


def view(before: Moment, now: Moment) -> View:
    """Of a service between two looks at it."""
    seconds = max(now.at - before.at, 1e-9)
    models = sorted(model for (model,) in now.gateway.by(("model",), table.POOL_REPLICAS))
    errors = _grown(before.gateway, now.gateway, table.ERRORS, ("code",))
    decided = _grown(before.gateway, now.gateway, table.DECISIONS, ("model", "thinking", "reason"))
    asked = _grown(before.gateway, now.gateway, table.REQUESTS, ())
    return View(
        seconds=seconds,
        in_flight=round(now.gateway.total(table.IN_FLIGHT)),
        requests_s=sum(asked.values()) / seconds,
        errors={code: round(count) for (code,), count in sorted(errors.items())},
        pools=tuple(_pool(model, before, now, seconds) for model in models),
        decisions=tuple(
            Decided(model, thinking, reason, round(count))
            for (model, thinking, reason), count in sorted(
                decided.items(), key=lambda item: (-item[1], item[0])
            )
        ),
    )


def _pool(model: str, before: Moment, now: Moment, seconds: float) -> Pool:
    def in_state(state: str) -> int:
        return round(now.gateway.total(table.POOL_REPLICAS, model=model, state=state))

    times = _between(
        before.gateway.buckets(table.TTFT, model=model),
        now.gateway.buckets(table.TTFT, model=model),
    )
    asked = _grown(before.gateway, now.gateway, table.REQUESTS, (), model=model)
    return Pool(
        model=model,
        wanted=round(now.gateway.total(table.POOL_WANTED, model=model)),
        ready=in_state("ready"),
        failing=in_state("failing"),
        starting=in_state("starting"),
        requests_s=sum(asked.values()) / seconds,
        ttft_p50_s=quantile(0.5, times),
        ttft_p95_s=quantile(0.95, times),
        replicas=tuple(_replicas(model, before, now, seconds)),
    )


def _replicas(model: str, before: Moment, now: Moment, seconds: float) -> Iterator[Replica]:
    for (of, name), page in sorted(now.replicas.items()):
        if of != model:
            continue
        made = _grown(before.replicas.get((of, name), Page()), page, engine.GENERATION_TOKENS, ())
        yield Replica(
            name=name,
            in_flight=round(now.gateway.total(table.REPLICA_IN_FLIGHT, model=model, replica=name)),
            running=round(page.total(engine.RUNNING)),
            waiting=round(page.total(engine.WAITING)),
            kv_usage=max(page.by(("engine",), engine.KV_USAGE).values(), default=0.0),
            tokens_s=sum(made.values()) / seconds,
        )


def quantile(share: float, times: Mapping[float, float]) -> float | None:
    """Of a histogram's counts up to each bound, straight lines between bounds, as Prometheus'
    `histogram_quantile` does it; what lies beyond the last bound is said to be at it."""
    bounds = sorted(times)
    if not bounds or times[bounds[-1]] <= 0:
        return None
    rank = share * times[bounds[-1]]
    for low, high in pairwise([0.0, *bounds]):
        if times[high] >= rank:
            if high == float("inf"):
                return low
            under = times.get(low, 0.0)
            width = times[high] - under
            return low + (high - low) * ((rank - under) / width if width else 1.0)
    return None


def _grown(
    before: Page, now: Page, metric: Metric, names: tuple[str, ...], **labels: str
) -> dict[tuple[str, ...], float]:
    """By how much counters have grown; those that have not are left out."""
    then = before.by(names, metric, **labels)
    grown = {
        of: count - then.get(of, 0.0) if count >= then.get(of, 0.0) else count
        for of, count in now.by(names, metric, **labels).items()
    }
    return {of: count for of, count in grown.items() if count}


def _between(before: Mapping[float, float], now: Mapping[float, float]) -> dict[float, float]:
    last = max(now, default=0.0)
    if now.get(last, 0.0) < before.get(last, 0.0):
        return dict(now)
    return {bound: count - before.get(bound, 0.0) for bound, count in now.items()}
