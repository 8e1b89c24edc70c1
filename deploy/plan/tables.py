"""A plan for a person: the ranked layouts, the memory of the best line by line, who holds what."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.plan.picture import picture
from serving.layout import Demand, Layout, Memory, Plan
from serving.layout.words import quickest_words, ranking_words, sizes_words
from serving.sizes import GIB

SHOWN: Final = 8
"""Layouts; all of them stand in the JSON."""
BAR: Final = 40
"""Columns for the whole memory of a GPU."""
PREDICTED: Final = ("prefill*", "alone*", "batch*", "decode*", "tokens/s*")

LINES: Final = {
    "weights_dense": "weights, dense",
    "weights_expert": "weights, experts",
    "kv_cache": "KV cache",
    "activations": "activations",
    "cuda_graphs": "CUDA graphs",
    "communication": "communication",
    "reserve": "reserve",
}


def shown(demand: Demand, plan: Plan) -> Group:
    """All that there is to say, in reading order."""
    return Group(*_pieces(demand, plan))


def _pieces(demand: Demand, plan: Plan) -> Iterator[RenderableType]:
    yield Text(("feasible: " if plan.feasible else "not feasible: ") + plan.why)
    for warning in plan.warnings:
        yield Text(f"warning: {warning}", style="yellow")
    if plan.nearest:
        yield Text(f"{'what holds them all' if plan.feasible else 'nearest'}: {plan.nearest}")
    if not plan.layouts:
        return
    best = plan.layouts[0]
    yield ""
    yield Text(f"Ranked by {ranking_words(demand)}.")
    yield ""
    yield _ranked(plan)
    if (more := len(plan.layouts) - SHOWN) > 0:
        yield Text(f"and {more} more with --json")
    yield Text(_meaning(demand, best))
    if plan.quickest not in (None, best):
        yield Text(f"Instead, for {quickest_words(plan.quickest)}.")
    yield ""
    yield Text(f"Memory of one GPU, the fullest of the best layout ({sizes_words(best.sizes)})")
    yield memory(demand.nodes.kind.memory, best.memory)
    yield ""
    yield Text(picture(demand, best), no_wrap=True)
    yield ""
    yield Text("Where the predictions come from: " + "; ".join(best.estimate.sources) + ".")


def _ranked(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layout")
    for name in ("replicas", "KV tokens", "requests", *PREDICTED):
        table.add_column(name, justify="right")
    table.add_column("waits for*")
    for layout in plan.layouts[:SHOWN]:
        table.add_row(*_cells(layout))
    return table


def _cells(layout: Layout) -> tuple[str, ...]:
    estimate = layout.estimate
    return (
        sizes_words(layout.sizes),
        str(layout.replicas),
        f"{layout.kv_tokens:,}",
        str(layout.requests),
        f"{estimate.prefill_s * 1e3:,.0f} ms",
        f"{estimate.alone_s * 1e3:.1f} ms",
        str(estimate.batch),
        f"{estimate.decode_s * 1e3:.1f} ms",
        f"{estimate.tokens_per_s:,.0f}",
        estimate.limited_by,
    )


def _meaning(demand: Demand, best: Layout) -> str:
    estimate = best.estimate
    label = "measured" if estimate.measured else "predicted, not measured"
    return (
        f"KV tokens and requests of {demand.asked_context:,} tokens are of one replica.\n"
        f"* {label}: prefill of {estimate.prompt:,} tokens; alone: a token of one request;\n"
        "  decode: one of batch requests at once, as many as cache and promise allow; tokens/s:\n"
        f"  of answers of {estimate.answer:,} tokens by all replicas so, prefill counted in."
    )


def memory(total: int, lines: Memory) -> Table:
    """Each line with its share of the GPU's `total` bytes as a bar."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    rows = {LINES[name]: size for name, size in lines.lines().items()}
    for name, size in [*rows.items(), ("free", total - lines.used), ("the GPU", total)]:
        table.add_row(name, f"{size / GIB:.2f} GiB", f"{size / total:.1%}", bar(size, total))
    return table


def bar(size: int, total: int) -> str:
    """A thousandth of the GPU shows, less does not."""
    return "█" * max(1 if size / total >= 0.001 else 0, round(BAR * size / total))
