"""How far a model's context reaches, and what vLLM must be told beyond the native one.

Qwen3 was trained on 32,768 tokens; `max_position_embeddings` is 40,960, so that an answer of
32,768 fits behind a prompt of 8,192. YaRN is published to a factor of 4 for the models of 4 B and
more (model cards, "Processing Long Texts"). The -2507 checkpoints reach 262,144 by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from serving.catalog import NATIVE_CONTEXT, ModelFacts

TRAINED: Final = 32_768
"""`original_max_position_embeddings` of the model cards' YaRN."""
LARGEST_FACTOR: Final = 4
SMALLEST_WITH_YARN: Final = 4_000_000_000
"""Parameters: the cards of the 0.6B and the 1.7B know no YaRN, that of the 4B (4.02 B) does."""
ROPE_THETA: Final = 1_000_000
"""`rope_theta` of every config.json with the context of 40,960. vLLM 0.29 replaces the whole of
`rope_parameters` by an override (`_apply_dict_overrides`, config/model.py), so it is said again."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The asked context is within reach."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    """vLLM's `hf_overrides`."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutOfReach:
    why: str
    furthest: int
    """Tokens."""


def furthest(model: ModelFacts) -> int:
    """The longest context that the model can be given."""
    return TRAINED * LARGEST_FACTOR if _has_yarn(model) else model.context


def reach(model: ModelFacts, context: int) -> Reach | OutOfReach:
    """What it takes to give the model so long a context."""
    if context <= model.context:
        return Reach()
    if context > (most := furthest(model)):
        return OutOfReach(_why_not(model, context), most)
    return _yarn(context)


def _yarn(context: int) -> Reach:
    """The smallest factor that reaches, as the model cards advise."""
    factor = float(ceil(context / TRAINED))
    rope = {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": TRAINED,
        "rope_theta": ROPE_THETA,
    }
    warning = (
        f"{context:,} tokens need YaRN with factor {factor:g} x {TRAINED:,}; vLLM's is static, so"
        " it costs quality on short texts, too: ask for the context you need and no more"
    )
    return Reach({"rope_parameters": rope}, (warning,))


def _has_yarn(model: ModelFacts) -> bool:
    return model.context == NATIVE_CONTEXT and model.parameters >= SMALLEST_WITH_YARN


def _why_not(model: ModelFacts, context: int) -> str:
    most = f"a context of {context:,} is beyond {model.name}: "
    if _has_yarn(model):
        factor = f"YaRN of factor {LARGEST_FACTOR} x {TRAINED:,} = {TRAINED * LARGEST_FACTOR:,}"
        return f"{most}{factor} is the furthest that is published"
    return f"{most}its native context is {model.context:,}, and no YaRN is published for it"
