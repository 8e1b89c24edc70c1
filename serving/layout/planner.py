"""From what is asked to a ranked list of layouts, each with its proof; or the refusal.

Pure and exhaustive: every candidate is held against the rules, then against memory; what is left
is ordered by what the roofline predicts for all the nodes together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import Final

from serving.layout.arguments import engine_arguments
from serving.layout.candidates import candidates
from serving.layout.context import OutOfReach, Reach, reach
from serving.layout.memory import BLOCK, Batch, Fit, batches, fit
from serving.layout.placement import bundles_of, place, replicas_of, strategy_of
from serving.layout.roofline import estimate
from serving.layout.rules import refusals
from serving.layout.support import unsupported, warnings_of
from serving.layout.values import Demand, Layout, Plan, Sizes
from serving.layout.words import feasible_words, nearest_words, refusal_words, warning_words

ALIKE: Final = 1.02
"""Predictions closer than 2 % do not rank; the simpler layout does."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate that the rules let pass, held against memory."""

    sizes: Sizes
    batch: Batch
    fit: Fit

    @property
    def fits(self) -> bool:
        return self.fit.missing == 0


def plan(demand: Demand) -> Plan:
    """The best layouts first. Never raises for what cannot run: the plan says why."""
    within = reach(demand.model, demand.asked_context)
    if isinstance(within, OutOfReach):
        return Plan(False, within.why, nearest=nearest_words(demand, can_run))
    if why := unsupported(demand.nodes.kind, demand.precision):
        return Plan(False, why, nearest=nearest_words(demand, can_run))
    tried = list(try_all(demand))
    layouts = [_layout(demand, one, within) for one in tried if one.fits]
    if not layouts:
        return Plan(
            False,
            _why_not(demand, tried),
            nearest=nearest_words(demand, can_run, _longest(tried)),
        )
    ranked = tuple(sorted(layouts, key=lambda layout: _rank(demand, layout)))
    warnings = warnings_of(demand.model, demand.precision, demand.nodes.kind)
    return Plan(
        True,
        feasible_words(demand, ranked[0]),
        (*within.warnings, *warnings, *warning_words(demand, ranked)),
        ranked,
    )


def can_run(demand: Demand) -> bool:
    """Whether any layout does what is asked."""
    if isinstance(reach(demand.model, demand.asked_context), OutOfReach):
        return False
    if unsupported(demand.nodes.kind, demand.precision):
        return False
    return any(one.fits for one in try_all(demand))


def why_not(demand: Demand, sizes: Sizes) -> str:
    """Why a replica cannot be cut like this on these nodes; empty if it can."""
    if said := refusals(demand.model, demand.precision, sizes, demand.nodes):
        return "; ".join(said)
    if not replicas_of(demand.nodes, sizes):
        has = f"{demand.nodes.nodes} x {demand.nodes.per_node}"
        return f"a replica takes {sizes.gpus} GPUs, and the nodes have {has}"
    tried = try_one(demand, sizes)
    return "" if tried.fits else refusal_words(demand, sizes, tried.fit)


def try_all(demand: Demand) -> Iterator[Tried]:
    """Every candidate that no rule refuses."""
    for sizes in candidates(demand.model, demand.nodes):
        if not refusals(demand.model, demand.precision, sizes, demand.nodes):
            yield try_one(demand, sizes)


def try_one(demand: Demand, sizes: Sizes) -> Tried:
    """With the largest batch that leaves room for a request of the asked context, if any does."""
    ranks = replicas_of(demand.nodes, sizes) * sizes.data
    tried = [Tried(sizes, b, fit(demand, sizes, b)) for b in batches(demand, ranks)]
    return next((one for one in tried if one.fits), tried[-1])


def _layout(demand: Demand, tried: Tried, within: Reach) -> Layout:
    sizes, tokens = tried.sizes, tried.fit.tokens
    a_request = -(-demand.asked_context // BLOCK) * BLOCK
    kv_tokens, requests = sizes.data * tokens, sizes.data * (tokens // a_request)
    return Layout(
        sizes=sizes,
        replicas=replicas_of(demand.nodes, sizes),
        memory=tried.fit.memory,
        kv_tokens=kv_tokens,
        requests=requests,
        engine_args=engine_arguments(demand, sizes, tried.batch, within.overrides),
        bundles=bundles_of(sizes),
        strategy=strategy_of(demand.nodes, sizes),
        placement=place(demand, sizes),
        estimate=estimate(demand, sizes, kv_tokens, requests, tried.batch),
    )


def _rank(demand: Demand, layout: Layout) -> tuple[bool, int, int, int, int]:
    """Lower is better: holds the concurrency, tokens/s of all nodes, few GPUs a replica, few kinds
    of parallelism."""
    sizes = layout.sizes
    held = layout.replicas * layout.requests
    kinds = (sizes.tensor > 1) + (sizes.pipeline > 1) + (sizes.data > 1) + sizes.expert
    speed = round(log(max(layout.estimate.tokens_per_s, 1e-9), ALIKE))
    return held < (demand.concurrency or 1), -speed, sizes.gpus, kinds, sizes.pipeline


def _longest(tried: list[Tried]) -> int:
    """Tokens of the longest context that any layout holds."""
    return max((one.fit.tokens for one in tried), default=0)


def _why_not(demand: Demand, tried: list[Tried]) -> str:
    if not tried:
        said = (
            reason
            for sizes in candidates(demand.model, demand.nodes)
            for reason in refusals(demand.model, demand.precision, sizes, demand.nodes)
        )
        return "; ".join(dict.fromkeys(said))
    closest = min(tried, key=lambda one: one.fit.missing)
    return refusal_words(demand, closest.sizes, closest.fit)
