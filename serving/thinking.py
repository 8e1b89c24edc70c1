"""A mode as the engine understands it: the template's switch, and Qwen3's two sampling presets.

Which mode a request gets is the router's to decide; what a client set itself is the gateway's to
keep.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from serving.catalog import ModelFacts, Modes
from serving.values import Mode

QUANTISED: Final = frozenset({"fp8", "awq", "gptq-int4"})
"""Precisions below 16 bits."""

_PRESETS: Final[Mapping[Mode, Mapping[str, float | int]]] = {
    # From Qwen3's model cards. Thinking must never be greedy: it falls into endless repetition.
    Mode.THINKING: {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0},
    Mode.PLAIN: {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.0},
}
_QUANTISED_EXTRA: Final = {"presence_penalty": 1.5}
"""The cards' advice against the repetition that quantised weights are prone to."""

_TABLE: Final = {
    (mode, quantised): MappingProxyType({**preset, **(_QUANTISED_EXTRA if quantised else {})})
    for mode, preset in _PRESETS.items()
    for quantised in (False, True)
}


def sampling(mode: Mode, precision: str) -> Mapping[str, float | int]:
    """The fields of a request that the preset sets, unless the client did.

    vLLM takes the checkpoint's own defaults, which are the thinking preset, so the plain one must
    be sent.
    """
    return _TABLE[mode, precision in QUANTISED]


def template_kwargs(mode: Mode, facts: ModelFacts) -> dict[str, bool]:
    """`chat_template_kwargs`: the only switch that vLLM's reasoning parser reads as well.

    Checkpoints of one mode have no switch.
    """
    if facts.modes is not Modes.HYBRID:
        return {}
    return {"enable_thinking": mode is Mode.THINKING}
