"""Fields that stand in no table: which of them ask for nothing, and how the others are refused.

Runs only for a request that has such a field, so a plain one pays nothing for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from serving.errors import UnsupportedParameter
from serving.wire.wrong import show

Harmless = type | tuple[object, ...]
"""Any value of a type, or these values alone."""

HARMLESS: Final[Mapping[str, Harmless]] = {
    "metadata": dict,
    "safety_identifier": str,
    "prompt_cache_key": str,
    "store": (False,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
"""OpenAI's, with the values that ask for nothing that is not done anyway."""

UNSUPPORTED: Final = frozenset(
    {
        "audio", "best_of", "function_call", "functions", "moderation", "prediction",
        "prompt_cache_retention", "suffix", "verbosity", "web_search_options",
    }
)  # fmt: skip
"""OpenAI's, and nothing here does what they ask for. Null asks for nothing."""

OPERATORS: Final = frozenset(
    {
        "add_generation_prompt", "add_special_tokens", "cache_salt", "chat_template",
        "continue_final_message", "documents", "ec_transfer_params", "kv_transfer_params",
        "media_io_kwargs", "mm_processor_kwargs", "priority", "prompt_embeds", "request_id",
        "routed_experts_prompt_start", "session_id", "skip_special_tokens", "stream_interval",
        "truncate_prompt_tokens", "vllm_xargs",
    }
)  # fmt: skip
"""vLLM takes them from any client; here they are an operator's to set: they move data between
engines, jump the queue, run templates of the client's, or let thinking into the answer."""

_KNOWN: Final = HARMLESS.keys() | UNSUPPORTED | OPERATORS
_MOST_NAMED: Final = 8
_LONGEST_NAME: Final = 64
"""Longer names are cut, and not compared: that takes the square of their length."""
_ALIKE: Final = 0.7
"""Of difflib's ratio: `temprature` and `max_new_tokens` are, `prompt` and `stop` are not."""


def settle(body: dict[str, Any], names: Iterable[str], table: frozenset[str]) -> None:
    """Drops of `names` what asks for nothing. UnsupportedParameter names the first of the others:
    to look for what was meant takes a millisecond, and a body may hold a hundred thousand."""
    refused = []
    for name in sorted(names):
        if _asks_for_nothing(name, body[name]):
            del body[name]
        else:
            refused.append(name)
    if refused:
        raise _refusal(body, refused, table)


def _asks_for_nothing(name: str, value: object) -> bool:
    if value is None:
        return name in _KNOWN
    harmless = HARMLESS.get(name, ())
    return isinstance(value, harmless) if isinstance(harmless, type) else value in harmless


def _why(name: str, value: object, table: frozenset[str]) -> str:
    if name in OPERATORS:
        return f"{name} is for operators only"
    if name in HARMLESS:
        return f"{name}: {show(value)} is not supported; allowed: {allowed(HARMLESS[name])}"
    if name in UNSUPPORTED or len(name) > _LONGEST_NAME:
        return f"{name[:_LONGEST_NAME]} is not supported"
    near = get_close_matches(name.lower(), table, n=1, cutoff=_ALIKE)
    return f"{name} is not supported" + (f" (did you mean {near[0]}?)" if near else "")


def allowed(harmless: Harmless) -> str:
    """In words."""
    if isinstance(harmless, type):
        return "an object" if harmless is dict else "a text"
    return ", ".join(show(value) for value in harmless)


def _refusal(
    body: Mapping[str, Any], names: Sequence[str], table: frozenset[str]
) -> UnsupportedParameter:
    words = [_why(name, body[name], table) for name in names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        words.append(f"and {len(names) - _MOST_NAMED} more")
    return UnsupportedParameter("; ".join(words), param=names[0][:_LONGEST_NAME])
