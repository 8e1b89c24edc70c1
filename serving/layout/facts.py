"""A Hugging Face `config.json` of a Qwen3 model to the catalog's row of numbers.

Read, not trusted: every number is checked, and what the planner could not place (dense layers among
sparse ones, shared experts) is refused by name.
"""

from collections.abc import Mapping
from typing import Any, Final

from serving.catalog import ModelFacts
from serving.values import ModelName

DENSE: Final = "qwen3"
MOE: Final = "qwen3_moe"
HEAD_DIM: Final = 128
"""`head_dim` where config.json is silent (transformers, Qwen3Config)."""
LARGEST: Final = 2**40
"""Beyond any size of any model: a number above it is a mistake."""


class BadModelConfig(ValueError):
    """Says which key, what was found and what is allowed."""


def facts_of_config(config: Mapping[str, Any], name: str = "config") -> ModelFacts:
    """The model that the file describes. Raises BadModelConfig."""
    kind = config.get("model_type")
    if kind not in (DENSE, MOE):
        raise BadModelConfig(f"model_type is {kind!r}; allowed are {DENSE!r} and {MOE!r}")
    moe = kind == MOE
    if moe:
        _refuse_mixtures(config)
    facts = ModelFacts(
        name=ModelName(name),
        hf_id=str(config.get("_name_or_path") or name),
        layers=_count(config, "num_hidden_layers"),
        hidden=_count(config, "hidden_size"),
        ffn=_count(config, "moe_intermediate_size" if moe else "intermediate_size"),
        q_heads=_count(config, "num_attention_heads"),
        kv_heads=_count(config, "num_key_value_heads"),
        experts=_count(config, "num_experts") if moe else 0,
        active_experts=_count(config, "num_experts_per_tok") if moe else 0,
        head_dim=_count(config, "head_dim", HEAD_DIM),
        tied_embeddings=_flag(config, "tie_word_embeddings"),
        vocabulary=_count(config, "vocab_size"),
        context=_context(config),
    )
    _refuse_what_cannot_be(facts)
    return facts


def _count(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if value is None:
        raise BadModelConfig(f"{key} is missing; a whole number above 0 is needed")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST:
        raise BadModelConfig(f"{key} is {value!r}; a whole number above 0 is needed")
    return value


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key, False)
    if not isinstance(value, bool):
        raise BadModelConfig(f"{key} is {value!r}; true or false is needed")
    return value


def _context(config: Mapping[str, Any]) -> int:
    """vLLM's: `max_position_embeddings`, or what YaRN makes of the original one."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise BadModelConfig(f"rope_scaling is {rope!r}; an object or null is needed")
    native = _count(config, "max_position_embeddings")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return native
    factor = rope.get("factor")
    if kind != "yarn" or not isinstance(factor, int | float) or not 1 <= factor <= LARGEST:
        raise BadModelConfig(
            f"rope_scaling is {dict(rope)!r}; allowed is yarn with a factor of at least 1"
        )
    return int(factor * _count(rope, "original_max_position_embeddings", native))


def _refuse_mixtures(config: Mapping[str, Any]) -> None:
    for key, allowed in (
        ("mlp_only_layers", ([], None)),
        ("decoder_sparse_step", (1, None)),
        ("shared_expert_intermediate_size", (0, None)),
    ):
        if (value := config.get(key)) not in allowed:
            raise BadModelConfig(f"{key} is {value!r}; only {allowed[0]!r} is known to the planner")


def _refuse_what_cannot_be(facts: ModelFacts) -> None:
    if facts.q_heads % facts.kv_heads:
        raise BadModelConfig(
            f"num_attention_heads is {facts.q_heads}, not a multiple of num_key_value_heads"
            f" ({facts.kv_heads})"
        )
    if facts.active_experts > facts.experts:
        raise BadModelConfig(
            f"num_experts_per_tok is {facts.active_experts}, above num_experts ({facts.experts})"
        )
