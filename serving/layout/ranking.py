"""Which layout is offered first.

First come layouts that hold the asked concurrency, then those that keep the promised time per
token; among these the most tokens of answer a second from all the GPUs. What is predicted is not
known to a few per cent, so layouts that are alike rank by simplicity: few GPUs a replica, hence
more replicas, which have nothing to tell each other, fail alone and are replaced one by one.
"""

from collections.abc import Iterable
from typing import Final

from serving.layout.values import Demand, Layout

ALIKE: Final = 1.10
"""Predictions closer than 10 % do not rank; the simpler layout does."""


def ranked(
    demand: Demand, layouts: Iterable[Layout], replicas: int | None = None
) -> tuple[Layout, ...]:
    """The best first, if no more than `replicas` are run. Of those alike to the fastest that is
    left the simplest is next, so none stands before one that is faster by more than is alike."""

    def speed(layout: Layout) -> float:
        run = min(replicas or layout.replicas, layout.replicas)
        return layout.estimate.tokens_per_s * run / layout.replicas

    left = sorted(layouts, key=lambda layout: (_class(demand, layout), -speed(layout)))
    found = []
    while left:
        best, most = _class(demand, left[0]), speed(left[0])
        alike = [x for x in left if _class(demand, x) == best and speed(x) * ALIKE >= most]
        found.append(min(alike, key=_complexity))
        left.remove(found[-1])
    return tuple(found)


def quickest(layouts: Iterable[Layout]) -> Layout:
    """For one request alone."""
    return min(layouts, key=lambda one: (one.estimate.latency_s, *_complexity(one)))


def holds(demand: Demand, layout: Layout) -> bool:
    return layout.held >= (demand.concurrency or 1)


def _class(demand: Demand, layout: Layout) -> tuple[bool, bool]:
    """Lower is better."""
    return not holds(demand, layout), not layout.estimate.keeps_promise


def _complexity(layout: Layout) -> tuple[int, int, int]:
    """GPUs a replica, stages (which enough requests alone keep busy), kinds of parallelism."""
    sizes = layout.sizes
    kinds = (sizes.tensor > 1) + (sizes.pipeline > 1) + (sizes.data > 1) + sizes.expert
    return sizes.gpus, sizes.pipeline, kinds
