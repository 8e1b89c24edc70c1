"""PromQL made of declared metrics.

A query is put together from rows of `ops.metrics` and knows which it reads, so a row that is
renamed, or loses a label that a panel asks for, stops the dashboards from being written. No text
here or on a board names a metric.

`namespace` and `release` are labels that a scrape on Kubernetes adds and one on a single machine
does not; "all" of a variable is `.*`, which matches a label that is not there.
"""

from dataclasses import dataclass
from typing import Final

from ops.metrics import Kind, Metric
from ops.metrics.table import IN_FLIGHT

PLACE: Final = ("namespace", "release")
"""Added by the scrape on Kubernetes; no row declares them."""
VARIABLES: Final = {"model": "model", "application": "model", "team": "team"}
"""The variable that chooses among the values of a label."""
RATE: Final = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and the rows that it reads, the one that it is about first."""

    text: str
    rows: tuple[Metric, ...]
    counts: bool = False
    """Whether it is events a second, so that its sum over time can be compared with a count."""

    def __and__(self, other: "Query") -> "Query":
        """Only series of an instance that the other one has, too."""
        return self._joined("and on (job, instance)", other)

    def __or__(self, other: "Query") -> "Query":
        return self._joined("or", other)

    def __truediv__(self, other: "Query") -> "Query":
        """Series with the same labels by each other."""
        return self._joined("/", other)

    def __add__(self, other: "Query") -> "Query":
        added = self._joined("+", other)
        return Query(f"({added.text})", added.rows)

    def share_of(self, whole: "Query") -> "Query":
        """Of one number."""
        return self._joined("/ on () group_left ()", whole)

    def lacks(self, share: "Query", *on: str) -> "Query":
        """As a multiple of what this share leaves."""
        rows = (*self.rows, *share.rows)
        by = ", ".join(on)
        return Query(f"{self.text} / on ({by}) group_left () (1 - {share.text})", rows)

    def left(self) -> "Query":
        return Query(f"1 - {self.text}", self.rows)

    def times(self, factor: float) -> "Query":
        return Query(f"({self.text}) * {factor:g}", self.rows)

    def happens(self) -> "Query":
        """Nothing where it is 0; for annotations."""
        return Query(f"{self.text} > 0", self.rows)

    def _joined(self, how: str, other: "Query") -> "Query":
        return Query(f"{self.text} {how} {other.text}", (*self.rows, *other.rows))


def series(row: Metric, suffix: str = "", **labels: str) -> str:
    """The row's series that the variables choose; a value that begins with `~` is a pattern."""
    declared = set(row.labels) | set(PLACE)
    if unknown := labels.keys() - declared:
        msg = f"{row.name} has no label {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    chosen = {name: f"~${name}" for name in PLACE}
    chosen |= {label: f"~${VARIABLES[label]}" for label in row.labels if label in VARIABLES}
    chosen |= labels
    matchers = ", ".join(
        f'{name}=~"{value[1:]}"' if value.startswith("~") else f'{name}="{value}"'
        for name, value in chosen.items()
    )
    return f"{row.name}{suffix}{{{matchers}}}"


def each(row: Metric, **labels: str) -> Query:
    """Every series for itself."""
    return Query(series(row, **labels), (row,))


def total(row: Metric, *by: str, **labels: str) -> Query:
    return _aggregate("sum", row, by, labels)


def most(row: Metric, *by: str, **labels: str) -> Query:
    """Of what every gateway tells alike, one."""
    return _aggregate("max", row, by, labels)


def a_second(row: Metric, *by: str, over: str = RATE, **labels: str) -> Query:
    """How often it happens."""
    _is(row, Kind.COUNTER)
    rate = f"rate({series(row, **labels)}[{over}])"
    return Query(f"sum by ({_names(row, by)}) ({rate})", (row,), counts=True)


def within(row: Metric, over: str, *by: str, **labels: str) -> Query:
    """How often it happened in so long."""
    _is(row, Kind.COUNTER)
    found = f"increase({series(row, **labels)}[{over}])"
    return Query(f"sum by ({_names(row, by)}) ({found})", (row,))


def quantile(q: float, row: Metric, *by: str) -> Query:
    """Right to the width of a bucket."""
    _is(row, Kind.HISTOGRAM)
    buckets = f"rate({series(row, '_bucket')}[{RATE}])"
    return _quantile(q, row, by, buckets)


def mean(row: Metric, *by: str) -> Query:
    """Exact, where sums are: not of what Ray's agent passes on."""
    _is(row, Kind.HISTOGRAM)
    added, counted = (f"rate({series(row, suffix)}[{RATE}])" for suffix in ("_sum", "_count"))
    names = _names(row, by)
    return Query(f"sum by ({names}) ({added}) / sum by ({names}) ({counted})", (row,))


def quantile_ever(q: float, row: Metric, *by: str) -> Query:
    """Of all that was observed: for what happens so rarely that a rate would miss it."""
    _is(row, Kind.HISTOGRAM)
    return _quantile(q, row, by, series(row, "_bucket"))


def changed(row: Metric, *by: str) -> Query:
    return Query(f"max by ({_names(row, by)}) (changes({series(row)}[1m]))", (row,))


def of_gateways(query: Query) -> Query:
    """Of a gateway's process, whatever the scrape calls its job."""
    return query & each(IN_FLIGHT)


def of_each_gateway_a_second(row: Metric) -> Query:
    _is(row, Kind.COUNTER)
    return of_gateways(Query(f"rate({series(row)}[{RATE}])", (row,)))


def _quantile(q: float, row: Metric, by: tuple[str, ...], buckets: str) -> Query:
    names = ", ".join(("le", *by)) if _names(row, by) else "le"
    return Query(f"histogram_quantile({q:g}, sum by ({names}) ({buckets}))", (row,))


def _aggregate(how: str, row: Metric, by: tuple[str, ...], labels: dict[str, str]) -> Query:
    _is(row, Kind.GAUGE)
    return Query(f"{how} by ({_names(row, by)}) ({series(row, **labels)})", (row,))


def _names(row: Metric, by: tuple[str, ...]) -> str:
    if unknown := set(by) - set(row.labels) - set(PLACE):
        msg = f"{row.name} has no label {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    return ", ".join(by)


def _is(row: Metric, kind: Kind) -> None:
    if row.kind is not kind:
        msg = f"{row.name} is a {row.kind}, no {kind}"
        raise ValueError(msg)
