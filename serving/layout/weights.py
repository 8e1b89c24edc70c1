"""How many bytes of weights one rank holds.

Counts parameters as vLLM shards them, then turns them into bytes by precision. What is loaded is
what is counted: buffers that a kernel makes while it repacks are gone before the KV cache is sized.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from serving.catalog import ModelFacts
from serving.layout.stages import experts_of_ranks, layers_of_stages
from serving.layout.values import Precision, Sizes

VOCABULARY_PADDING: Final = 64
"""vLLM pads the vocabulary to it (`DEFAULT_VOCAB_PADDING_SIZE`, vocab_parallel_embedding.py)."""
QUANTISED_BLOCK: Final = 128
"""FP8 has one scale for each 128 x 128 weights (`weight_block_size` of Qwen3's FP8 config.json);
AWQ and GPTQ one for each group of 128 (`group_size`)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of weights on one rank."""

    linear: int
    """Of attention and of a dense FFN; quantised checkpoints quantise them."""
    kept: int
    """Embedding, head, norms, router: in 16 bits in every quantised checkpoint (Qwen3's FP8
    config.json names `lm_head`, both layer norms and `mlp.gate` in `modules_to_not_convert`)."""
    expert: int
    """Of the experts; quantised."""


def parameters_of(model: ModelFacts, sizes: Sizes, stage: int) -> Parameters:
    """Of the fullest rank of one pipeline stage."""
    layers = len(layers_of_stages(model.layers, sizes.pipeline)[stage])
    return Parameters(
        linear=layers * _linear_of_a_layer(model, sizes.tensor),
        kept=layers * _kept_of_a_layer(model) + _ends(model, sizes, stage),
        expert=layers * _experts_of_a_layer(model, sizes),
    )


def kv_heads_of_rank(model: ModelFacts, tensor: int) -> int:
    """More tensor ranks than KV heads: each head is held by several ranks."""
    return max(1, model.kv_heads // tensor)


def padded_vocabulary(model: ModelFacts) -> int:
    return ceil(model.vocabulary / VOCABULARY_PADDING) * VOCABULARY_PADDING


def quantised_bytes(precision: Precision, weights: int) -> int:
    """Of weights that the precision is about, scales and zero points included."""
    match precision:
        case Precision.BF16:
            return 2 * weights
        case Precision.FP32:
            return 4 * weights
        case Precision.FP8:  # one float32 a block
            return weights + 4 * ceil(weights / QUANTISED_BLOCK**2)
        case Precision.AWQ | Precision.GPTQ_INT4:  # a 16-bit scale and a 4-bit zero point a group
            return ceil(weights / 2) + ceil(2.5 * weights / QUANTISED_BLOCK)


def element_bytes(precision: Precision) -> int:
    """Of the weights that no precision quantises, of activations and of the KV cache."""
    return 4 if precision is Precision.FP32 else 2


def bytes_of(model: ModelFacts, precision: Precision) -> int:
    """Of the whole model on one rank."""
    whole = parameters_of(model, Sizes(), stage=0)
    quantised = quantised_bytes(precision, whole.linear + whole.expert)
    return quantised + element_bytes(precision) * whole.kept


def _linear_of_a_layer(model: ModelFacts, tensor: int) -> int:
    q = model.q_heads // tensor * model.head_dim
    kv = kv_heads_of_rank(model, tensor) * model.head_dim
    ffn = 0 if model.is_moe else 3 * model.hidden * model.ffn // tensor
    return model.hidden * (2 * q + 2 * kv) + ffn


def _kept_of_a_layer(model: ModelFacts) -> int:
    """Both norms, the norms of queries and keys, the router: whole on every rank."""
    return 2 * model.hidden + 2 * model.head_dim + model.hidden * model.experts


def _ends(model: ModelFacts, sizes: Sizes, stage: int) -> int:
    """The embedding of the first stage; the last norm and the head of the last one, which shares
    the embedding's weights only where it is the first one, too."""
    table = padded_vocabulary(model) // sizes.tensor * model.hidden
    last = stage == sizes.pipeline - 1
    shared = model.tied_embeddings and sizes.pipeline == 1
    return table * (stage == 0) + (table * (not shared) + model.hidden) * last


def _experts_of_a_layer(model: ModelFacts, sizes: Sizes) -> int:
    if not model.is_moe:
        return 0
    matrices = 3 * model.hidden * model.ffn
    if sizes.expert:
        return len(experts_of_ranks(model.experts, sizes.expert_parallel_size)[0]) * matrices
    # Without expert parallelism vLLM cuts each expert over the data ranks, too.
    return model.experts * matrices // (sizes.tensor * sizes.data)
