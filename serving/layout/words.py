"""A plan's sentences: why it is feasible or not, what to know, what could run instead."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from serving.layout.context import furthest
from serving.layout.memory import Fit, utilisation
from serving.layout.ranking import ALIKE, holds
from serving.layout.values import Demand, Layout, Precision, Sizes
from serving.sizes import in_words

SMALLEST_CONTEXT: Final = 1024
"""Tokens; below it nothing is worth serving."""
MOST_NODES: Final = 16


def sizes_words(sizes: Sizes) -> str:
    """`TP 8, EP 8`, as recipes write it."""
    named = {
        "TP": sizes.tensor,
        "PP": sizes.pipeline,
        "DP": sizes.data,
        "EP": sizes.expert_parallel_size,
    }
    return ", ".join(f"{name} {size}" for name, size in named.items() if size > 1) or "one GPU"


def feasible_words(demand: Demand, best: Layout) -> str:
    nodes, memory = demand.nodes, best.memory
    weights = memory.weights_dense + memory.weights_expert
    replicas = f"{best.replicas} replica{'s' if best.replicas > 1 else ''}"
    return (
        f"{nodes.gpus} x {nodes.kind.name} hold {demand.model.name} in {demand.precision.value}:"
        f" {replicas} with {sizes_words(best.sizes)}; of {in_words(nodes.kind.memory)} a GPU,"
        f" {in_words(weights)} are weights and {in_words(memory.kv_cache)} KV cache, a replica's"
        f" {best.kv_tokens:,} tokens or {best.requests} requests of {demand.asked_context:,}"
    )


def refusal_words(demand: Demand, sizes: Sizes, fit: Fit) -> str:
    """The arithmetic of the layout that came closest."""
    memory, total = fit.memory, demand.nodes.kind.memory
    weights = memory.weights_dense + memory.weights_expert
    rest = memory.activations + memory.cuda_graphs + memory.communication
    free = total - memory.reserve - weights - rest
    return (
        f"{demand.model.name} in {demand.precision.value} with a context of"
        f" {demand.asked_context:,} does not fit on {demand.nodes.gpus} x"
        f" {demand.nodes.kind.name}: the closest is {sizes_words(sizes)}, where a GPU would hold"
        f" {in_words(weights)} of weights, {in_words(rest)} of activations, CUDA graphs and"
        f" buffers, and {in_words(fit.missing + free)} of KV cache for one request ="
        f" {in_words(weights + rest + fit.missing + free)}, and vLLM may use"
        f" {utilisation(demand):g} x {in_words(total)} = {in_words(total - memory.reserve)}"
    )


def ranking_words(demand: Demand) -> str:
    """What the first place stands for."""
    load = demand.asked_load
    asked = demand.concurrency
    held = f"whether {asked} requests of the full context are held, then " if asked else ""
    return (
        f"{held}predicted tokens/s of all GPUs at {load.prompt:,} tokens of prompt and"
        f" {load.answer:,} of answer, with as many requests at once as fit in {load.tpot_s * 1e3:g}"
        f" ms a token; of layouts within {ALIKE - 1:.0%} the one of fewer GPUs a replica"
    )


def quickest_words(quickest: Layout) -> str:
    """For those who have few requests and want each to be short."""
    one = quickest.estimate
    return (
        f"the shortest answer to one request alone: {sizes_words(quickest.sizes)}, predicted"
        f" {one.latency_s:.1f} s ({one.alone_s * 1e3:.1f} ms a token)"
    )


def warning_words(demand: Demand, best_first: tuple[Layout, ...]) -> Iterator[str]:
    """Of the layouts."""
    best, kind, load = best_first[0], demand.nodes.kind, demand.asked_load
    if demand.concurrency and not holds(demand, best):
        most = max(best_first, key=lambda one: one.held)
        yield (
            f"no layout holds the {demand.concurrency} requests of {demand.asked_context:,} tokens"
            f" that were asked for, which take {_tokens_of(demand):,} tokens of KV cache; the most"
            f" is {most.replicas} x {most.requests} = {most.held} with {sizes_words(most.sizes)}"
            f" ({most.replicas} x {most.kv_tokens:,} tokens), and further ones wait"
        )
    if not best.estimate.keeps_promise:
        yield (
            f"no layout keeps {load.tpot_s * 1e3:g} ms a token, not even for one request alone:"
            f" the best is predicted {best.estimate.decode_s * 1e3:.1f} ms"
        )
    if best.sizes.tensor > demand.model.kv_heads:
        yield (
            f"TP {best.sizes.tensor} is above the {demand.model.kv_heads} KV heads: each is held"
            f" {best.sizes.tensor // demand.model.kv_heads} times, so a rank's KV cache is no"
            f" smaller than at TP {demand.model.kv_heads}"
        )
    if best.sizes.tensor > 1 and not kind.nvlink:
        yield (f"{kind.name} has no NVLink: the all-reduces of TP {best.sizes.tensor} go over PCIe")


def _tokens_of(demand: Demand) -> int:
    return (demand.concurrency or 1) * demand.asked_context


def nearest_words(demand: Demand, can: Callable[[Demand], bool], longest: int = 0) -> str | None:
    """What can run if one thing is changed: the context, the precision, or the GPUs."""
    found = (*_shorter(demand, can, longest), *_smaller(demand, can), *_more(demand, can))
    return "; or ".join(found) or None


def _shorter(demand: Demand, can: Callable[[Demand], bool], longest: int) -> Iterator[str]:
    context = min(longest or furthest(demand.model), furthest(demand.model))
    context = context // SMALLEST_CONTEXT * SMALLEST_CONTEXT
    shorter = replace(demand, context=context or None)
    if 0 < context < demand.asked_context and can(shorter):
        yield f"a context of {context:,}"


def _smaller(demand: Demand, can: Callable[[Demand], bool]) -> Iterator[str]:
    int4 = Precision.GPTQ_INT4 if demand.model.is_moe else Precision.AWQ
    order = [Precision.FP32, Precision.BF16, Precision.FP8, int4]
    place = order.index(demand.precision) if demand.precision in order else len(order)
    for precision in order[place + 1 :]:
        if can(replace(demand, precision=precision)):
            yield f"precision {precision.value}"
            return


def _more(demand: Demand, can: Callable[[Demand], bool]) -> Iterator[str]:
    nodes = demand.nodes
    fuller = [replace(nodes, per_node=n) for n in (2, 4, 8) if n > nodes.per_node]
    further = [
        replace(nodes, per_node=max(nodes.per_node, 8), nodes=n)
        for n in range(nodes.nodes + 1, MOST_NODES + 1)
    ]
    for more in (*fuller, *further):
        if can(replace(demand, nodes=more)):
            plural = "s" if more.nodes > 1 else ""
            yield f"{more.nodes} node{plural} of {more.per_node} x {more.kind.name}"
            return
