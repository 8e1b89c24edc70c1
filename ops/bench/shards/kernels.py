"""The shapes as torch operations with random weights, in bf16.

Several copies of the weights are walked through, so that none is found in the L2 cache: in a model
ninety-odd layers lie between two uses of one.
"""

from collections.abc import Callable, Iterator
from functools import partial, singledispatch
from math import prod
from typing import Any, Final

import torch
from torch.nn import functional

from ops.bench.shards.shapes import Attention, Experts, Projections

Run = Callable[[], object]
CACHE: Final = 256 * 1024**2
"""Bytes; twice the largest L2 (B200's 126 MB)."""
MOST_COPIES: Final = 64
ELEMENT: Final = 2


@singledispatch
def runs(shape: Any, device: str) -> list[Run]:
    """One call for each copy of the weights; each does all of the part."""
    raise TypeError(f"no kernel for {shape!r}")


@runs.register
def _(shape: Projections, device: str) -> list[Run]:
    x = _random(device, shape.tokens, shape.hidden)
    attended = _random(device, shape.tokens, shape.q)
    sizes = (
        (shape.hidden, shape.q + 2 * shape.kv),
        (shape.q, shape.hidden),
        (shape.hidden, shape.experts),
    )
    return [partial(project, x, attended, *weights) for weights in _copies(device, *sizes)]


@runs.register
def _(shape: Attention, device: str) -> list[Run]:
    query = _random(device, shape.requests, shape.q_heads, shape.new, shape.head_dim)
    size = (shape.requests, shape.kv_heads, shape.context, shape.head_dim)
    attend = partial(
        functional.scaled_dot_product_attention, is_causal=shape.new > 1, enable_gqa=True
    )
    return [partial(attend, query, keys, values) for keys, values in _copies(device, size, size)]


@runs.register
def _(shape: Experts, device: str) -> list[Run]:
    held, rows = len(shape.rows), sum(shape.rows)
    ends = torch.tensor(shape.rows).cumsum(0).to(device=device, dtype=torch.int32)
    x = _random(device, rows, shape.hidden)
    order = torch.randperm(rows).to(device)
    sizes = ((held, shape.hidden, 2 * shape.ffn), (held, shape.ffn, shape.hidden))
    return [partial(mix, x, order, ends, *weights) for weights in _copies(device, *sizes)]


def project(x: Any, attended: Any, qkv: Any, out: Any, router: Any) -> tuple[Any, Any, Any]:
    return x @ qkv, attended @ out, x @ router


def mix(x: Any, order: Any, ends: Any, gate_up: Any, down: Any) -> Any:
    """Rows gathered by expert, gate and up in one product, down, and back in order."""
    gate, up = functional.grouped_mm(x[order], gate_up, offs=ends).chunk(2, dim=-1)
    mixed = functional.grouped_mm(functional.silu(gate) * up, down, offs=ends)
    return torch.zeros_like(x).index_add_(0, order, mixed)


def _copies(device: str, *sizes: tuple[int, ...]) -> Iterator[list[Any]]:
    """Tensors of these sizes, as often as it takes to fill the cache."""
    size = ELEMENT * sum(map(prod, sizes))
    count = 2 if device == "cpu" else max(1, min(MOST_COPIES, -(-CACHE // size)))
    for _ in range(count):
        yield [_random(device, *each) for each in sizes]


def _random(device: str, *size: int) -> Any:
    return torch.randn(*size, dtype=torch.bfloat16, device=device)
