"""The proof that a layout fits: every byte of the fullest rank, line by line.

vLLM takes `gpu_memory_utilization` of the GPU, measures weights, the peak of one step and the CUDA
graphs, and gives the rest to the KV cache (`determine_available_memory`, v1/worker/gpu_worker.py).
So does this. What is counted from shapes is exact; what is a constant has its source beside it and
is meant to be too large rather than too small.
"""

from dataclasses import dataclass
from typing import Final

from serving.layout.stages import layers_of_stages
from serving.layout.values import Demand, Memory, Sizes
from serving.layout.weights import (
    element_bytes,
    kv_heads_of_rank,
    padded_vocabulary,
    parameters_of,
    quantised_bytes,
)
from serving.sizes import GIB, MIB

DEFAULT_UTILISATION: Final = 0.92
"""vLLM 0.29's default of `gpu_memory_utilization` (config/cache.py)."""
BLOCK: Final = 16
"""Tokens of a KV block; vLLM's default `block_size` on CUDA."""
FEWEST_SEQS: Final = 256
"""Requests that an engine is told to take at once, or more where more are asked for: vLLM's default
for small GPUs. (Its 1,024 for large GPUs cost 2 GiB of logits.)"""
BATCHED_TOKENS: Final = (16_384, 8192, 4096, 2048)
SAMPLER_BYTES: Final = 14
"""A logit in 16 bits, and in float32 itself, its probability and the noise it is divided by
(v1/sample/ops/topk_topp_sampler.py)."""
CUDA_GRAPHS_OF_A_LAYER: Final = 12 * MIB
"""vLLM's log of 51 piecewise and 35 full graphs, "Estimated CUDA graph memory: 0.73 GiB total"
(vllm-project/vllm, pull request 39559), over the 64 layers of a 27B."""
CUDA_CONTEXT: Final = 512 * MIB
"""What a process with PyTorch holds before its first tensor; 400 to 520 MiB on A100 and H100."""
CUSTOM_ALL_REDUCE: Final = 3 * 8 * MIB
"""Two buffers and the table of the ranks' (custom_all_reduce.py: `max_size` 8192 x 1024)."""
NCCL_OF_A_GROUP: Final = 2 * 32 * 4 * MIB
"""To and from a neighbour: 32 channels x NCCL_BUFFSIZE, 4 MiB by default (NCCL's manual)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The most that one step of an engine takes in; vLLM's own names."""

    max_num_batched_tokens: int
    max_num_seqs: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How the KV cache of one data-parallel rank comes out."""

    memory: Memory
    tokens: int
    """That the fullest stage can hold, so that the rank can; whole blocks."""
    missing: int
    """Bytes that are wanted for the asked context on the fullest rank; 0 if it fits."""


def batches(demand: Demand, data_ranks: int) -> tuple[Batch, ...]:
    """To be tried from the first on: vLLM 0.29's default of batched tokens for an API server
    (`get_batch_defaults`, engine/arg_utils.py), and where its activations leave no room, less.

    `data_ranks` counts those of all replicas."""
    asked = -(-(demand.concurrency or 1) // data_ranks)
    requests = max(FEWEST_SEQS, min(asked, 1024))
    default = _batched_tokens(demand)
    return tuple(Batch(tokens, requests) for tokens in BATCHED_TOKENS if tokens <= default)


def _batched_tokens(demand: Demand) -> int:
    kind = demand.nodes.kind
    if kind.memory >= 160 * GIB:
        return 16_384
    return 8192 if kind.memory >= 70 * GIB and not kind.name.startswith("a100") else 2048


def fit(demand: Demand, sizes: Sizes, batch: Batch) -> Fit:
    """The rank of the stage that can hold the fewest tokens: they are the engine's. It is one of
    the ends, which hold the vocabulary, or one with the most layers: the last before the end."""
    last = sizes.pipeline - 1
    stages = [_fit_of_stage(demand, sizes, batch, s) for s in {0, max(0, last - 1), last}]
    return min(stages, key=lambda found: (found.tokens, -found.missing))


def _fit_of_stage(demand: Demand, sizes: Sizes, batch: Batch, stage: int) -> Fit:
    model, precision = demand.model, demand.precision
    parameters = parameters_of(model, sizes, stage)
    layers = len(layers_of_stages(model.layers, sizes.pipeline)[stage])
    fixed = Memory(
        weights_dense=quantised_bytes(precision, parameters.linear)
        + element_bytes(precision) * parameters.kept,
        weights_expert=quantised_bytes(precision, parameters.expert),
        kv_cache=0,
        activations=activations(demand, sizes, batch),
        cuda_graphs=layers * CUDA_GRAPHS_OF_A_LAYER,
        communication=communication(sizes),
        reserve=round(demand.nodes.kind.memory * (1 - utilisation(demand))),
    )
    block = BLOCK * kv_bytes_of_a_token(demand, sizes, layers)
    free = demand.nodes.kind.memory - fixed.used
    blocks = max(0, free // block)
    wanted = -(-demand.asked_context // BLOCK)
    return Fit(_with_cache(fixed, blocks * block), blocks * BLOCK, max(0, wanted * block - free))


def utilisation(demand: Demand) -> float:
    return DEFAULT_UTILISATION if demand.utilisation is None else demand.utilisation


def kv_bytes_of_a_token(demand: Demand, sizes: Sizes, layers: int) -> int:
    """On one rank. Beyond as many ranks as KV heads, more of them hold copies."""
    heads = kv_heads_of_rank(demand.model, sizes.tensor)
    return 2 * layers * heads * demand.model.head_dim * element_bytes(demand.precision)


def activations(demand: Demand, sizes: Sizes, batch: Batch) -> int:
    """The peak of a step: a forward pass over a full batch, or sampling for all its requests."""
    model, tokens = demand.model, batch.max_num_batched_tokens
    widest = max(_attention_width(demand, sizes), _ffn_width(demand, sizes))
    forward = tokens * (2 * model.hidden + widest) * element_bytes(demand.precision)
    sampling = batch.max_num_seqs * padded_vocabulary(model) * SAMPLER_BYTES
    return max(forward, sampling)


def _attention_width(demand: Demand, sizes: Sizes) -> int:
    """Elements a token: queries, keys, values, and attention's output."""
    model = demand.model
    q, kv = model.q_heads // sizes.tensor, kv_heads_of_rank(model, sizes.tensor)
    return (2 * q + 2 * kv) * model.head_dim


def _ffn_width(demand: Demand, sizes: Sizes) -> int:
    """Elements a token: gate, up and their product; of experts, both workspaces of the Triton
    kernels (`TritonExperts.workspace_shapes`, fused_moe/experts/triton_moe.py). Expert-parallel
    ranks see the tokens of all data-parallel ones (`allgather_reducescatter`, vLLM's default)."""
    model = demand.model
    if not model.is_moe:
        return 3 * model.ffn // sizes.tensor
    ffn = model.ffn if sizes.expert else model.ffn // (sizes.tensor * sizes.data)
    spaces = max(ffn, model.hidden) + max(2 * ffn, model.hidden)
    return sizes.data * (model.active_experts * spaces + model.hidden)


def communication(sizes: Sizes) -> int:
    """The CUDA context, and buffers for each group that the rank is in."""
    across = sizes.tensor * sizes.data
    groups = [sizes.tensor > 1, sizes.pipeline > 1, sizes.data > 1, sizes.expert and across > 1]
    reduce = CUSTOM_ALL_REDUCE if sizes.tensor > 1 else 0
    return CUDA_CONTEXT + reduce + sum(groups) * NCCL_OF_A_GROUP


def _with_cache(fixed: Memory, kv_cache: int) -> Memory:
    return Memory(**{**fixed.lines(), "kv_cache": kv_cache})
