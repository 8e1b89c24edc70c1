"""From what is asked to a ranked list of layouts, each with its proof; or the refusal.

Pure and exhaustive: every candidate is held against the rules, then against memory; what is left
is ranked by what the roofline predicts for all the nodes together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from serving.layout.arguments import engine_arguments
from serving.layout.candidates import candidates
from serving.layout.context import OutOfReach, Reach, reach
from serving.layout.memory import BLOCK, Batch, Fit, batches, fit
from serving.layout.placement import bundles_of, place, replicas_of, strategy_of
from serving.layout.ranking import holds, quickest, ranked
from serving.layout.rules import refusals
from serving.layout.speed import estimate
from serving.layout.support import unsupported, warnings_of
from serving.layout.values import Demand, Layout, Plan, Sizes
from serving.layout.words import feasible_words, nearest_words, refusal_words, warning_words


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
            nearest=nearest_words(demand, can_run, _longest(replace(demand, concurrency=1), tried)),
        )
    best_first = ranked(demand, layouts)
    warnings = warnings_of(demand.model, demand.precision, demand.nodes.kind)
    held = holds(demand, best_first[0])
    return Plan(
        True,
        feasible_words(demand, best_first[0]),
        (*within.warnings, *warnings, *warning_words(demand, best_first)),
        best_first,
        nearest=None if held else nearest_words(demand, can_hold, _longest(demand, tried)),
        holds_concurrency=held,
        quickest=quickest(best_first),
    )


def can_run(demand: Demand) -> bool:
    """Whether any layout takes a request of the asked context."""
    return any(True for _ in _running(demand))


def can_hold(demand: Demand) -> bool:
    """Whether any layout takes as many of them at once as are asked for."""
    return any(_held(demand, one) >= (demand.concurrency or 1) for one in _running(demand))


def _running(demand: Demand) -> Iterator[Tried]:
    if isinstance(reach(demand.model, demand.asked_context), OutOfReach):
        return
    if unsupported(demand.nodes.kind, demand.precision):
        return
    yield from (one for one in try_all(demand) if one.fits)


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
    sizes, kv_tokens = tried.sizes, tried.sizes.data * tried.fit.tokens
    return Layout(
        sizes=sizes,
        replicas=replicas_of(demand.nodes, sizes),
        memory=tried.fit.memory,
        kv_tokens=kv_tokens,
        requests=sizes.data * _requests(demand, tried),
        held=_held(demand, tried),
        engine_args=engine_arguments(demand, sizes, tried.batch, within.overrides),
        bundles=bundles_of(sizes),
        strategy=strategy_of(demand.nodes.per_node, sizes),
        placement=place(demand, sizes),
        estimate=estimate(demand, sizes, kv_tokens, tried.batch),
    )


def _requests(demand: Demand, tried: Tried) -> int:
    """Of the asked context that the cache of one data-parallel rank holds."""
    return tried.fit.tokens // (-(-demand.asked_context // BLOCK) * BLOCK)


def _held(demand: Demand, tried: Tried) -> int:
    """Of all replicas; an engine runs no more at once than it is told."""
    ranks = replicas_of(demand.nodes, tried.sizes) * tried.sizes.data
    return ranks * min(_requests(demand, tried), tried.batch.max_num_seqs)


def _longest(demand: Demand, tried: list[Tried]) -> int:
    """Tokens of the longest context of which any layout holds as many requests as are asked for."""
    return max((_share(demand, one) for one in tried), default=0)


def _share(demand: Demand, tried: Tried) -> int:
    """Of one request, if as many as are asked for share the cache; in whole blocks."""
    ranks = replicas_of(demand.nodes, tried.sizes) * tried.sizes.data
    each = -(-(demand.concurrency or 1) // ranks)
    return tried.fit.tokens // each // BLOCK * BLOCK


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
