"""Which rank holds what on which node, drawn in text: a box for each GPU."""

from collections.abc import Iterator, Sequence
from typing import Final

from serving.layout import Demand, Layout, Rank

IN_A_ROW: Final = 4
"""Boxes, so that a node of eight GPUs is two rows and fits in 100 columns."""
MOST_NODES: Final = 8
"""Drawn; the others go on in the same way."""


def picture(demand: Demand, layout: Layout) -> str:
    """Node below node. What is the same for every rank is not said in the boxes."""
    nodes = demand.nodes
    free = nodes.per_node * nodes.nodes - sum(map(len, layout.placement))
    lines: list[str] = []
    for number, ranks in enumerate(layout.placement[:MOST_NODES]):
        lines.append(f"node {number}: {nodes.per_node} x {nodes.kind.name}")
        boxes = [_box(demand, layout, rank) for rank in ranks]
        width = max((len(line) for box in boxes for line in box), default=0)
        for start in range(0, len(boxes), IN_A_ROW):
            lines += _row(boxes[start : start + IN_A_ROW], width)
    if (more := len(layout.placement) - MOST_NODES) > 0:
        lines.append(f"and {more} more nodes, whose ranks stand in the JSON")
    if free:
        lines.append(f"{free} of {nodes.gpus} GPUs are left free")
    return "\n".join(lines)


def _box(demand: Demand, layout: Layout, rank: Rank) -> list[str]:
    """Its title, then what the GPU holds."""
    sizes = layout.sizes
    places = [
        f"{name} {place}"
        for name, place, size in (
            ("TP", rank.tensor, sizes.tensor),
            ("PP", rank.pipeline, sizes.pipeline),
            ("DP", rank.data, sizes.data),
        )
        if size > 1
    ]
    return [
        f"GPU {rank.gpu}",
        *([f"replica {rank.replica}"] if layout.replicas > 1 else []),
        *([" ".join(places)] if places else []),
        f"layers {_span(rank.layers)}",
        *_held(demand, layout, rank),
    ]


def _held(demand: Demand, layout: Layout, rank: Rank) -> Iterator[str]:
    sizes, model = layout.sizes, demand.model
    if sizes.tensor > 1:
        yield f"1/{sizes.tensor} of the heads"
    if sizes.expert:
        yield f"experts {_span(rank.experts)}"
    elif sizes.tensor * sizes.data > 1 and model.is_moe:
        yield f"1/{sizes.tensor * sizes.data} of each expert"


def _row(boxes: Sequence[Sequence[str]], width: int) -> list[str]:
    tops = [f"┌ {title} " + "─" * (width - len(title)) + "┐" for title, *_ in boxes]
    height = max(map(len, boxes))
    body = [
        " ".join(f"│ {box[line] if line < len(box) else '':{width}} │" for box in boxes)
        for line in range(1, height)
    ]
    bottom = " ".join("└" + "─" * (width + 2) + "┘" for _ in boxes)
    return [" ".join(tops), *body, bottom]


def _span(held: range) -> str:
    return f"{held[0]}-{held[-1]}" if len(held) > 1 else str(held[0])
