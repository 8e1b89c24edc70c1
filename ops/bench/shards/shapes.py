"""What one rank of a planned layout multiplies: shapes from the layout, predictions beside them.

Pure. In bf16, whose products torch has on every GPU; the experts of a batch are drawn, so that the
fullest rank is a real one.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from serving.catalog import CATALOG
from serving.layout import Demand, Nodes, Precision, Sizes, attainable, plan
from serving.layout.gpus import GpuKind
from serving.layout.roofline import (
    Part,
    Step,
    attention,
    decode_step,
    experts,
    prefill_step,
    projections,
)
from serving.layout.stages import experts_of_ranks
from serving.layout.weights import kv_heads_of_rank
from serving.values import ModelName

MODEL: Final = ModelName("qwen3-235b-a22b")
DECODE: Final = ((1, 8192), (16, 8192), (64, 8192), (256, 2048))
"""Requests of a replica and tokens behind each: alone, a few, many, and a full `max_num_seqs`."""
PREFILL: Final = (2048, 8192)
"""Tokens: the chunks that vLLM makes of a prompt, on small GPUs and on large ones."""
SMOKE: Final = Sizes(tensor=2, expert=True)


@dataclass(frozen=True, slots=True)
class Projections:
    """Queries, keys and values in one product, the output, the router."""

    tokens: int
    hidden: int
    q: int
    kv: int
    """Columns of keys, and of values."""
    experts: int


@dataclass(frozen=True, slots=True)
class Attention:
    """`new` tokens of each request look at `context` keys, their own the last ones."""

    requests: int
    q_heads: int
    kv_heads: int
    head_dim: int
    new: int
    context: int


@dataclass(frozen=True, slots=True)
class Experts:
    """Rows for each expert of the fullest rank, without those that get none."""

    rows: tuple[int, ...]
    hidden: int
    ffn: int
    """Columns of one expert on this rank."""


Shape = Projections | Attention | Experts


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement."""

    phase: str
    tokens: int
    """Of the replica."""
    context: int
    shape: Shape
    part: Part
    """The roofline's."""
    kernels: int
    """Of the part, whose launches the roofline counts apart."""

    @property
    def predicted_s(self) -> float:
        return self.part.seconds + self.kernels * attainable.KERNEL_S


def planned(gpu: GpuKind, nodes: int) -> tuple[Demand, Sizes] | None:
    """The 235B in bf16 on nodes of eight, cut as the planner cuts it; None if it does not fit."""
    demand = Demand(CATALOG[MODEL], Precision.BF16, Nodes(gpu, 8, nodes))
    found = plan(demand)
    return (demand, found.layouts[0].sizes) if found.layouts else None


def smoke(gpu: GpuKind) -> tuple[Demand, Sizes]:
    """The pocket model: shapes for which a CPU takes milliseconds."""
    return Demand(CATALOG[ModelName("pocket-moe")], Precision.BF16, Nodes(gpu, 2)), SMOKE


def cases(
    demand: Demand,
    sizes: Sizes,
    decode: tuple[tuple[int, int], ...] = DECODE,
    prefill: tuple[int, ...] = PREFILL,
) -> Iterator[Case]:
    """Every part of a layer at every load."""
    for requests, context in decode:
        own = -(-requests // sizes.data)
        step = decode_step(sizes, requests, context)
        yield from _parts(demand, sizes, "decode", step, (own, 1, context))
    for tokens in prefill:
        yield from _parts(demand, sizes, "prefill", prefill_step(tokens), (1, tokens, tokens))


def _parts(
    demand: Demand, sizes: Sizes, phase: str, step: Step, attended: tuple[int, int, int]
) -> Iterator[Case]:
    requests, new, context = attended
    model, peers = demand.model, round(step.peers)
    q_heads, kv_heads = model.q_heads // sizes.tensor, kv_heads_of_rank(model, sizes.tensor)
    q, kv = q_heads * model.head_dim, kv_heads * model.head_dim
    for shape, part, kernels in (
        (
            Projections(requests * new, model.hidden, q, kv, model.experts),
            projections(demand, sizes, step),
            3,
        ),
        (
            Attention(requests, q_heads, kv_heads, model.head_dim, new, context),
            attention(demand, sizes, step),
            2,
        ),
        (drawn(demand, sizes, peers), experts(demand, sizes, step), 0),
    ):
        yield Case(phase, peers, context, shape, part, kernels)


def drawn(demand: Demand, sizes: Sizes, tokens: int, seed: int = 0) -> Experts:
    """Routes `tokens` at random, as the roofline assumes, and takes the rank with the most rows."""
    model, rng = demand.model, random.Random(seed)
    counts: Counter[int] = Counter()
    for _ in range(tokens):
        counts.update(rng.sample(range(model.experts), model.active_experts))
    ranks = experts_of_ranks(model.experts, sizes.expert_parallel_size)
    rows = max(([counts[e] for e in held if counts[e]] for held in ranks), key=sum)
    parts = 1 if sizes.expert else sizes.tensor * sizes.data
    return Experts(tuple(rows), model.hidden, model.ffn // parts)
