"""Which requests kept what `slo` promises, counted one by one.

Counted here, at the operator's own numbers, a promise is exact: a rule needs neither a bucket that
happens to lie at the promise nor the promise itself, so alerts are the same files for every
service. What counts for which promise is decided here:

ttft          every stream that had a first token
tpot          every whole stream of more than one token
availability  every request that the service could answer: not those that are wrong by themselves,
              that a client gave up, or that a limit of its team turned away (429)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from ops.metrics import table
from ops.metrics.labels import NONE, route_labels, thinking_label
from serving.config import Slo
from serving.observer import RequestFinished
from serving.values import Mode, ModelName, Outcome, Route

TTFT, TPOT, AVAILABILITY = PROMISES = ("ttft", "tpot", "availability")
TURNED_AWAY: Final = 429
_NO_FAULT_OF_OURS: Final = (Outcome.CLIENT_ERROR, Outcome.ABORTED)


class Promises:
    """Counts for these models, each in its modes. All counters are there from the start, so that
    the first broken promise is a step and not a beginning."""

    def __init__(
        self, slo: Slo, offered: Mapping[ModelName, tuple[Mode, ...]], registry: CollectorRegistry
    ) -> None:
        self._slo = slo
        rows = table.PROMISES
        self._kept = Counter(rows.name, rows.meaning, rows.labels, registry=registry)
        self._adders: dict[tuple[object, ...], Callable[[float], None]] = {}
        for model, modes in offered.items():
            for mode in modes:
                for promise in PROMISES:
                    for kept in (True, False):
                        self._count(promise, Route(model, mode, ""), kept, 0)
        _show(slo, registry)

    def finished(self, event: RequestFinished) -> None:
        for promise, kept in self._judged(event):
            self._count(promise, event.route, kept)

    def _judged(self, event: RequestFinished) -> Iterator[tuple[str, bool]]:
        """The promises that this request was under, and whether each was kept."""
        if event.outcome not in _NO_FAULT_OF_OURS and event.status != TURNED_AWAY:
            yield AVAILABILITY, event.outcome is Outcome.OK
        if event.route is None:
            return
        promise = self._slo.of(event.route.mode)
        if event.ttft_s is not None:
            yield TTFT, event.ttft_s <= promise.ttft
        if (tpot := event.tpot_s) is not None:
            yield TPOT, tpot <= promise.tpot

    def _count(self, promise: str, route: Route | None, kept: bool, amount: int = 1) -> None:
        key = (promise, kept, None if route is None else (route.model, route.mode))
        if (add := self._adders.get(key)) is None:
            labels = (promise, *route_labels(route), "yes" if kept else "no")
            add = self._adders[key] = self._kept.labels(*labels).inc
        add(amount)


def _show(slo: Slo, registry: CollectorRegistry) -> None:
    """What is promised, for dashboards and rules to read."""
    objective, seconds = (
        Gauge(row.name, row.meaning, row.labels, registry=registry)
        for row in (table.OBJECTIVE, table.PROMISED_SECONDS)
    )
    # What failed before a decision broke a promise, too.
    objective.labels(AVAILABILITY, NONE).set(slo.availability)
    for mode in Mode:
        promise, thinking = slo.of(mode), thinking_label(mode)
        for name, share in (
            (TTFT, promise.kept),
            (TPOT, promise.kept),
            (AVAILABILITY, slo.availability),
        ):
            objective.labels(name, thinking).set(share)
        seconds.labels(TTFT, thinking).set(promise.ttft)
        seconds.labels(TPOT, thinking).set(promise.tpot)
