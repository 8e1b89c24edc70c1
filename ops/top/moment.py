"""One look at a service: the samples of its gateway's page and of each replica's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from ops.metrics.table import Metric

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """The samples of one page, by the sample's name and labels."""

    samples: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def total(self, metric: Metric, **labels: str) -> float:
        """The sum of the series that have these labels; 0 where there is none."""
        return sum(self.by((), metric, **labels).values())

    def by(
        self, names: tuple[str, ...], metric: Metric, **labels: str
    ) -> dict[tuple[str, ...], float]:
        """Such sums by the values of these labels."""
        return self._sums(metric.name, names, labels)

    def buckets(self, metric: Metric, **labels: str) -> dict[float, float]:
        """A histogram's counts up to each bound, over all series that have these labels."""
        found = self._sums(f"{metric.name}_bucket", ("le",), labels)
        return {float(bound): count for (bound,), count in sorted(found.items())}

    def _sums(
        self, name: str, by: tuple[str, ...], labels: Mapping[str, str]
    ) -> dict[tuple[str, ...], float]:
        sums: dict[tuple[str, ...], float] = {}
        for found, value in self.samples.get(name, {}).items():
            if labels.items() <= found:
                of = dict(found)
                key = tuple(of.get(label, "") for label in by)
                sums[key] = sums.get(key, 0.0) + value
        return sums


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` in seconds by any clock that only runs forward; replicas by model and name."""

    at: float
    gateway: Page
    replicas: Mapping[tuple[str, str], Page]

    @classmethod
    def of(cls, at: float, gateway: str, replicas: Mapping[tuple[str, str], str]) -> Self:
        """From the texts of the pages."""
        return cls(at, parse(gateway), {which: parse(text) for which, text in replicas.items()})


def parse(text: str) -> Page:
    """Prometheus' text format."""
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return Page(samples)
