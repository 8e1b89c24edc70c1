"""What divides what: each rule answers with the arithmetic of its refusals.

The rules are those of vLLM 0.29, read in its source (the file stands at each), and two of ours: a
tensor-parallel group stays on one node, and a quantised expert is not cut inside a block. Memory
is `memory`'s business.
"""

from collections.abc import Callable, Iterator
from typing import Final

from serving.catalog import ModelFacts
from serving.layout.values import Nodes, Precision, Sizes
from serving.layout.weights import QUANTISED_BLOCK, kv_heads_of_rank, padded_vocabulary

Rule = Callable[[ModelFacts, Precision, Sizes], Iterator[str]]


def refusals(model: ModelFacts, precision: Precision, sizes: Sizes, nodes: Nodes) -> list[str]:
    """Why the sizes cannot be; empty if they can."""
    ours = _tensor_group_stays_on_a_node(sizes, nodes)
    return [*ours, *(said for rule in RULES for said in rule(model, precision, sizes))]


def _tensor_group_stays_on_a_node(sizes: Sizes, nodes: Nodes) -> Iterator[str]:
    """An all-reduce after every attention and every FFN is for NVLink; pipeline and data
    parallelism are for the network."""
    if sizes.tensor > nodes.per_node:
        yield f"TP {sizes.tensor} is more than the {nodes.per_node} GPUs of a node"


def _query_heads_divide(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    """`ModelConfig.verify_with_parallel_config`, config/model.py."""
    if model.q_heads % sizes.tensor:
        yield _over(model.q_heads, "query heads", sizes.tensor)


def _kv_heads_divide_or_are_replicated(
    model: ModelFacts, _: Precision, sizes: Sizes
) -> Iterator[str]:
    """`Qwen3Attention.__init__`, models/qwen3.py."""
    few, many = sorted((model.kv_heads, sizes.tensor))
    if many % few:
        yield (
            f"TP {sizes.tensor} and {model.kv_heads} KV heads: neither is a multiple of the other"
        )


def _vocabulary_divides(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    """`VocabParallelEmbedding`, layers/vocab_parallel_embedding.py."""
    padded = padded_vocabulary(model)
    if padded % sizes.tensor:
        yield _over(padded, "words of the padded vocabulary", sizes.tensor)


def _every_stage_has_a_layer(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    if sizes.pipeline > model.layers:
        yield f"{model.layers} layers are too few for {sizes.pipeline} pipeline stages"


def _experts_are_spread(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    """`_verify_with_expert_parallelism`, config/model.py; `Qwen3MoeSparseMoeBlock`,
    models/qwen3_moe.py. A dense model's data-parallel ranks would share nothing: they are
    replicas."""
    if not model.is_moe and (sizes.expert or sizes.data > 1):
        yield "a dense model has no experts to spread, and its data-parallel ranks are replicas"
    ranks = sizes.tensor * sizes.data
    if model.is_moe and ranks > model.experts:
        yield f"{model.experts} experts are too few for {ranks} ranks"


def _experts_are_cut_evenly(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    """Without expert parallelism each expert is cut over all tensor and data ranks
    (`FusedMoEParallelConfig.make`, layers/fused_moe/config.py)."""
    ranks = sizes.tensor * sizes.data
    if model.is_moe and not sizes.expert and model.ffn % ranks:
        yield _over(model.ffn, "columns of an expert", ranks)


def _ffn_is_cut_evenly(model: ModelFacts, _: Precision, sizes: Sizes) -> Iterator[str]:
    """`divide`, distributed/utils.py."""
    if not model.is_moe and model.ffn % sizes.tensor:
        yield _over(model.ffn, "columns of the FFN", sizes.tensor)


def _fp8_blocks_are_whole(model: ModelFacts, precision: Precision, sizes: Sizes) -> Iterator[str]:
    """`validate_fp8_block_shape`, quantization/utils/fp8_utils.py: of a matrix that is cut, or is
    one of several merged into one, each rank holds whole blocks of 128 x 128."""
    if precision is not Precision.FP8:
        return
    q = model.q_heads // sizes.tensor * model.head_dim
    kv = kv_heads_of_rank(model, sizes.tensor) * model.head_dim
    parts = {"query": q, "key and value": kv}
    if not model.is_moe:
        parts["FFN"] = model.ffn // sizes.tensor
    for name, columns in parts.items():
        if columns % QUANTISED_BLOCK:
            yield _partial(f"{columns} {name} columns a rank", "an FP8 block")


def _int4_groups_are_whole(model: ModelFacts, precision: Precision, sizes: Sizes) -> Iterator[str]:
    """`verify_group_size_divides_partition`, distributed/utils.py, and `AutoAWQLinearMethod`: what
    goes into a matrix that is cut by its inputs (attention's and the FFN's last)."""
    if precision not in (Precision.AWQ, Precision.GPTQ_INT4):
        return
    parts = {"hidden": model.hidden, "attention": model.q_heads * model.head_dim // sizes.tensor}
    if not model.is_moe:
        parts["FFN"] = model.ffn // sizes.tensor
    for name, rows in parts.items():
        if rows % QUANTISED_BLOCK:
            yield _partial(f"{rows} {name} inputs a rank", f"a group of {precision.value}")


def _quantised_experts_are_whole(
    model: ModelFacts, precision: Precision, sizes: Sizes
) -> Iterator[str]:
    """An expert's cut shows in both of its matrices. vLLM before 0.29 refuses a part of a block;
    0.29 falls back to finer scales on its Triton kernels alone (`refine_fp8_moe_block_shape`,
    `MoeWNA16Method`) and refuses it for all others, such as Marlin's on Ampere. Whole experts on
    each rank cost the same memory and suit every kernel, so such a cut is not offered."""
    if not model.is_moe or precision in (Precision.BF16, Precision.FP32):
        return
    ranks = 1 if sizes.expert else sizes.tensor * sizes.data
    if model.ffn % ranks == 0 and model.ffn // ranks % QUANTISED_BLOCK:
        yield (
            f"{model.ffn} columns of an expert / {ranks} ranks = {model.ffn // ranks}, which"
            f" {precision.value}'s blocks of {QUANTISED_BLOCK} do not divide; expert parallelism"
            " leaves experts whole"
        )


RULES: Final[tuple[Rule, ...]] = (
    _query_heads_divide,
    _kv_heads_divide_or_are_replicated,
    _vocabulary_divides,
    _every_stage_has_a_layer,
    _experts_are_spread,
    _experts_are_cut_evenly,
    _ffn_is_cut_evenly,
    _fp8_blocks_are_whole,
    _int4_groups_are_whole,
    _quantised_experts_are_whole,
)


def _over(number: int, of_what: str, ranks: int) -> str:
    return f"{number} {of_what} / {ranks} ranks = {number / ranks:.2f}, which is not whole"


def _partial(what: str, of_what: str) -> str:
    return f"{what} / {QUANTISED_BLOCK} is not a whole number: {of_what} would be cut"
