"""How long a step takes, predicted: time = max(FLOPs / attainable, bytes / attainable), plus waits.

Counted for the fullest rank, part by part: projections, attention over the KV cache, experts that a
batch touches, the head. Routing is taken as uniform and independent. The attainable rates are
`attainable`'s; nothing in here is a measurement.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt

from serving.layout import attainable, exchange
from serving.layout.memory import kv_bytes_of_a_token
from serving.layout.stages import layers_of_stages
from serving.layout.values import Demand, Precision, Sizes
from serving.layout.weights import (
    element_bytes,
    kv_heads_of_rank,
    padded_vocabulary,
    quantised_bytes,
)

MEMORY_BOUND, COMPUTE_BOUND = "memory", "compute"
COMMUNICATION_BOUND, LAUNCH_BOUND = "communication", "launches"


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass over the layers is about."""

    tokens: float
    """Of one data-parallel rank."""
    peers: float
    """Of all data-parallel ranks together: those that the experts see."""
    attended: float
    """Keys that one token looks at, mean."""
    read: float
    """Tokens of KV cache that one data-parallel rank reads."""
    sampled: float
    """Tokens whose logits are needed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of work on one rank, and the rates it attains."""

    name: str
    flops: float
    bytes: float
    flops_per_s: float
    bytes_per_s: float
    latency_s: float = 0.0

    @property
    def seconds(self) -> float:
        return self.latency_s + max(self.flops / self.flops_per_s, self.bytes / self.bytes_per_s)

    @property
    def limited_by(self) -> str:
        compute, memory = self.flops / self.flops_per_s, self.bytes / self.bytes_per_s
        if self.latency_s > max(compute, memory):
            return LAUNCH_BOUND
        return COMPUTE_BOUND if compute > memory else MEMORY_BOUND


def decode_step(sizes: Sizes, batch: float, context: float) -> Step:
    """One token each for `batch` requests of a replica that have `context` tokens behind them."""
    own = batch / sizes.data
    return Step(own, batch, context, own * context, own)


def prefill_step(tokens: float, past: float = 0.0, ranks: int = 1) -> Step:
    """A piece of one prompt, on each of `ranks` data-parallel ranks; `past` tokens are cached."""
    return Step(tokens, ranks * tokens, past + tokens / 2, past + tokens, 1.0)


def projections(demand: Demand, sizes: Sizes, step: Step) -> Part:
    """Queries, keys, values and output; a dense model's FFN, or the router."""
    model = demand.model
    q = model.q_heads / sizes.tensor * model.head_dim
    kv = kv_heads_of_rank(model, sizes.tensor) * model.head_dim
    ffn = 0.0 if model.is_moe else 3 * model.ffn / sizes.tensor
    weights = int(model.hidden * (2 * q + 2 * kv + ffn))
    moved = step.tokens * (4 * model.hidden + 2 * q + 2 * kv + ffn)
    return _matrix(demand, "projections", weights, model.hidden * model.experts, step.tokens, moved)


def attention(demand: Demand, sizes: Sizes, step: Step) -> Part:
    """Scores and their sum over the values; reads the KV cache once."""
    kind, model = demand.nodes.kind, demand.model
    q = model.q_heads / sizes.tensor * model.head_dim
    cache = kv_bytes_of_a_token(demand, sizes, layers=1)
    return Part(
        "attention",
        4 * step.tokens * step.attended * q,
        step.read * cache + 2 * step.tokens * q * element_bytes(demand.precision),
        attainable.ATTENTION * attainable.gemm_flops(kind, _sixteen_bits(demand.precision)),
        attainable.bandwidth(kind),
    )


def experts(demand: Demand, sizes: Sizes, step: Step) -> Part:
    """Of the fullest rank: those that the tokens of all data ranks touch."""
    kind, model = demand.nodes.kind, demand.model
    ranks = sizes.tensor * sizes.data
    matrices = 3 * model.hidden * model.ffn
    routed = _fullest(step.peers * model.active_experts / ranks, sizes)
    touched = touched_experts(demand, step.peers) / ranks
    held = min(model.experts / ranks, _fullest(touched, sizes))
    moved = step.peers * model.active_experts / ranks * (2 * model.hidden + 3 * model.ffn)
    return Part(
        "experts",
        2 * routed * matrices,
        held * quantised_bytes(demand.precision, matrices)
        + moved * element_bytes(demand.precision),
        attainable.EXPERTS_GEMM * attainable.gemm_flops(kind, demand.precision),
        attainable.EXPERTS_MEMORY * kind.bandwidth,
        attainable.EXPERTS_LATENCY_S,
    )


def touched_experts(demand: Demand, tokens: float) -> float:
    """How many distinct experts of a layer a batch is expected to need: E (1 - (1 - k/E)^n)."""
    model = demand.model
    return model.experts * float(1 - (1 - model.active_experts / model.experts) ** tokens)


def head(demand: Demand, sizes: Sizes, step: Step) -> Part:
    """The logits; never quantised."""
    weights = padded_vocabulary(demand.model) // sizes.tensor * demand.model.hidden
    moved = step.sampled * padded_vocabulary(demand.model) / sizes.tensor
    return _matrix(demand, "head", 0, weights, step.sampled, moved)


def parts_of_a_layer(demand: Demand, sizes: Sizes, step: Step) -> Iterator[Part]:
    yield projections(demand, sizes, step)
    yield attention(demand, sizes, step)
    if demand.model.is_moe:
        yield experts(demand, sizes, step)


def seconds_of(demand: Demand, sizes: Sizes, step: Step) -> dict[str, float]:
    """Seconds of the slowest stage, the hop to the next one included, by what they wait for."""
    counts = [len(layers) for layers in layers_of_stages(demand.model.layers, sizes.pipeline)]
    last, most = counts[-1], max(counts)
    spent = dict.fromkeys((MEMORY_BOUND, COMPUTE_BOUND, COMMUNICATION_BOUND, LAUNCH_BOUND), 0.0)
    for part in parts_of_a_layer(demand, sizes, step):
        spent[part.limited_by] += most * (part.seconds - part.latency_s)
        spent[LAUNCH_BOUND] += most * part.latency_s
    spent[LAUNCH_BOUND] += most * attainable.KERNELS * attainable.KERNEL_S
    waits = most * exchange.of_a_layer(demand, sizes, step.tokens, step.peers)
    spent[COMMUNICATION_BOUND] += waits + exchange.between_stages(demand, sizes, step.tokens)
    ends = head(demand, sizes, step)
    if last == most or sizes.pipeline == 1:
        spent[ends.limited_by] += ends.seconds
    return spent


def _matrix(
    demand: Demand, name: str, quantised: int, kept: int, tokens: float, moved: float
) -> Part:
    """Products of `tokens` rows with weights, of which `kept` are in 16 bits; `moved` elements."""
    kind, element = demand.nodes.kind, element_bytes(demand.precision)
    fast = attainable.gemm_flops(kind, demand.precision)
    slow = attainable.gemm_flops(kind, _sixteen_bits(demand.precision))
    # Both in the units of the faster rate, so that one division gives the time.
    flops = 2 * tokens * (quantised + kept * fast / slow)
    read = quantised_bytes(demand.precision, quantised) + element * (kept + moved)
    return Part(name, flops, read, attainable.GEMM * fast, attainable.bandwidth(kind))


def _sixteen_bits(precision: Precision) -> Precision:
    """What is not quantised is computed in."""
    return Precision.FP32 if precision is Precision.FP32 else Precision.BF16


def _fullest(mean: float, sizes: Sizes) -> float:
    """Of `mean` a rank, what the fullest of the expert-parallel ranks has: the expected maximum of
    n normals with Poisson's variance, mean + sqrt(2 mean ln n). Cut experts are equal on all."""
    return mean + sqrt(2 * mean * log(sizes.expert_parallel_size))
