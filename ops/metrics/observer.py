"""The observer that turns the gateway's events into Prometheus samples.

It is called in the gateway's event loop several times a request, so the label children are looked
up once and their methods kept (`.labels()` costs more than the count itself).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ops.metrics import table
from ops.metrics.labels import (
    MAX_TEAMS,
    OTHER,
    REPLICA_FAILS,
    TeamGuard,
    error_codes,
    route_labels,
)
from ops.metrics.lookup import Lookup
from ops.metrics.promises import Promises
from ops.metrics.table import Kind, Metric
from serving.config import Slo
from serving.observer import (
    Event,
    OrdersHeld,
    PoolNow,
    ReplicaFailed,
    RequestFinished,
    RequestRouted,
)
from serving.values import Mode, ModelName, Outcome, Route, Team, Usage

Add = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Where the tokens of one (model, mode, team) are added."""

    prompt: Add
    reasoning: Add
    answer: Add


@dataclass(frozen=True, slots=True)
class _Times:
    """Where the latencies of one (model, mode) are observed."""

    ttft: Add
    tpot: Add
    e2e: Add


class PrometheusObserver:
    """Implements `serving.observer.Observer` on a registry of its own, or on the one given."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        slo: Slo | None = None,
        offered: Mapping[ModelName, tuple[Mode, ...]] = MappingProxyType({}),
        max_teams: int = MAX_TEAMS,
    ) -> None:
        """`offered` are the models and their modes."""
        # Else a `_created` gauge joins each counter: twice the series, of no use in the text
        # format. The library knows only a global switch.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry or CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = {row.name: _register(row, self._registry) for row in table.COUNTED}
        self._promises = Promises(slo or Slo(), offered, self._registry)
        self._teams = TeamGuard(max_teams)
        self._lookup = Lookup(self._teams)
        self._registry.register(self._lookup)
        self._codes = error_codes()
        self._counts: dict[tuple[object, ...], Add] = {}
        self._tokens: dict[tuple[str, bool, Team], _Tokens] = {}
        self._times: dict[tuple[str, bool], _Times] = {}
        self._change_in_flight = self._adder(table.IN_FLIGHT)
        self._begin(offered)

    def _begin(self, offered: Mapping[ModelName, tuple[Mode, ...]]) -> None:
        """At 0, so that the first of each is a step and not a beginning, which no rate shows."""
        for model, modes in offered.items():
            self._count(table.RETRIES, (model,), 0)
            for reason in REPLICA_FAILS:
                self._count(table.REPLICA_FAILURES, (model, reason), 0)
            for mode in modes:
                self._count(table.EMPTY_ANSWERS, route_labels(Route(model, mode, "")), 0)

    def on(self, event: Event) -> None:
        match event:
            case RequestFinished():
                self._finished(event)
            case RequestRouted(route=route):
                self._count(table.DECISIONS, (*route_labels(route), route.reason))
            case ReplicaFailed():
                self._count(table.REPLICA_FAILURES, (event.model, event.reason))
            case OrdersHeld():
                self._set(table.POOL_DRAINED, event.drained)
                self._set(table.MODE_FORCED, event.forced)

    def in_flight(self, change: int) -> None:
        self._change_in_flight(change)

    def render(self, pools: Sequence[PoolNow], expiries: Mapping[Team, float]) -> tuple[bytes, str]:
        self._lookup.pools, self._lookup.expiries = pools, expiries
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _finished(self, event: RequestFinished) -> None:
        self._count_request(event)
        self._promises.finished(event)
        if event.error_code is not None:
            code = event.error_code if event.error_code in self._codes else OTHER
            self._count(table.ERRORS, (event.endpoint, code))
        if event.route is not None:
            if event.retries:
                self._count(table.RETRIES, (event.route.model,), event.retries)
            self._observe_times(event, event.route)
            self._add_tokens(event, event.route)

    def _set(self, row: Metric, values: Mapping[Any, bool]) -> None:
        for label, holds in values.items():
            self._metrics[row.name].labels(label).set(holds)  # type: ignore[union-attr]

    def _count_request(self, event: RequestFinished) -> None:
        route = event.route
        key = (
            event.endpoint,
            None if route is None else (route.model, route.mode is Mode.THINKING),
            event.team,
            event.outcome._value_,
        )
        if (add := self._counts.get(key)) is None:
            names = (event.endpoint, *route_labels(route), self._teams.label(event.team))
            add = self._counts[key] = self._adder(table.REQUESTS, (*names, event.outcome))
        add(1)

    def _observe_times(self, event: RequestFinished, route: Route) -> None:
        """TTFT of every stream that had a token; the rest only of answers that came whole, so that
        what a client cut short does not read as speed."""
        key = (route.model, route.mode is Mode.THINKING)
        if (times := self._times.get(key)) is None:
            of = route_labels(route)
            rows = (table.TTFT, table.TPOT, table.E2E)
            times = self._times[key] = _Times(*(self._adder(row, of) for row in rows))
        if event.ttft_s is not None:
            times.ttft(event.ttft_s)
        if event.outcome is not Outcome.OK:
            return
        times.e2e(event.e2e_s)
        if (tpot := event.tpot_s) is not None:
            times.tpot(tpot)

    def _add_tokens(self, event: RequestFinished, route: Route) -> None:
        if (usage := event.usage) is None:
            return
        key = (route.model, route.mode is Mode.THINKING, event.team)
        if (tokens := self._tokens.get(key)) is None:
            of = (*route_labels(route), self._teams.label(event.team))
            rows = (table.PROMPT_TOKENS, table.REASONING_TOKENS, table.ANSWER_TOKENS)
            tokens = self._tokens[key] = _Tokens(*(self._adder(row, of) for row in rows))
        tokens.prompt(usage.prompt_tokens)
        tokens.answer(usage.answer_tokens)
        if usage.reasoning_tokens:
            tokens.reasoning(usage.reasoning_tokens)
        if event.outcome is Outcome.OK and _only_thinks(usage):
            self._count(table.EMPTY_ANSWERS, route_labels(route))

    def _count(self, row: Metric, labels: tuple[str, ...], amount: int = 1) -> None:
        key = (row.name, *labels)
        if (add := self._counts.get(key)) is None:
            add = self._counts[key] = self._adder(row, labels)
        add(amount)

    def _adder(self, row: Metric, labels: tuple[str, ...] = ()) -> Add:
        """The method that takes one number for this row and these labels."""
        metric = self._metrics[row.name]
        child = metric.labels(*labels) if labels else metric
        return child.observe if isinstance(child, Histogram) else child.inc


def _only_thinks(usage: Usage) -> bool:
    """The engine does not count the two tags around the thinking as a part of it."""
    return usage.reasoning_tokens > 0 and usage.answer_tokens <= 2


def _register(row: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    match row.kind:
        case Kind.COUNTER:
            return Counter(row.name, row.meaning, row.labels, registry=registry)
        case Kind.GAUGE:
            return Gauge(row.name, row.meaning, row.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(
                row.name, row.meaning, row.labels, registry=registry, buckets=row.buckets
            )
