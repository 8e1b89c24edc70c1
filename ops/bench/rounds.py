"""The order of the rounds and what follows from them. Pure.

The machine is noisy and drifts, so contenders are compared only within a round, each takes each
place in the order, and the figure is the median over the rounds with an interval that assumes
nothing about how the noise is spread.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from ops.bench.values import Comparison, Measurement

CONFIDENCE = 0.9
"""Wished for; five rounds reach 0.94 with their smallest and largest value, four only 0.88."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over rounds. `low` and `high` enclose it with probability `confidence`."""

    median: float
    low: float
    high: float
    confidence: float
    rounds: tuple[float, ...]


def order(contenders: Sequence[str], round_: int) -> tuple[str, ...]:
    """Rotated by one each round, and backwards in every other turn of the wheel, so that each
    stands in each place and is not always behind the same neighbour."""
    if not contenders:
        return ()
    turn, start = divmod(round_, len(contenders))
    rotated = (*contenders[start:], *contenders[:start])
    return rotated if turn % 2 == 0 else rotated[::-1]


def estimate(values: Sequence[float]) -> Estimate:
    """The median and the narrowest pair of order statistics that holds it with `CONFIDENCE`.

    Each value is below the true median with probability 1/2, so the k-th smallest and the k-th
    largest of n miss it with probability 2 P(Binomial(n, 1/2) < k).
    """
    ranked = sorted(values)
    n = len(ranked)
    covers = [1 - 2 * sum(comb(n, i) for i in range(k)) / 2**n for k in range(1, n // 2 + 1)]
    k = max((k for k, held in enumerate(covers) if held >= CONFIDENCE), default=0)
    held = covers[k] if covers else 0.0
    return Estimate(statistics.median(ranked), ranked[k], ranked[-1 - k], held, tuple(values))


def compare(comparison: Comparison, measured: Sequence[Measurement]) -> Estimate | None:
    """None where one of the two was not part of the run."""
    ours = _by_round(measured, comparison.ours, comparison)
    theirs = _by_round(measured, comparison.theirs, comparison)
    paired = [(ours[round_], theirs[round_]) for round_ in sorted(ours.keys() & theirs.keys())]
    if comparison.difference:
        values = [mine - other for mine, other in paired]
    else:
        values = [mine / other for mine, other in paired if other > 0]
    return estimate(values) if values else None


def _by_round(
    measured: Sequence[Measurement], contender: str, comparison: Comparison
) -> dict[int, float]:
    found = {}
    for one in measured:
        value: float | None = getattr(one.tally, comparison.measure)
        if (one.contender, one.load) == (contender, comparison.load.name) and value is not None:
            found[one.round] = value
    return found
