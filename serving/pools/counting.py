"""The thinking in a streamed answer is not counted anew with every token of it.

vLLM tells how many tokens of an answer were thinking. Where the prompt has ended the thinking
(Qwen3's template does, with thinking off), its parser of thinking never sees the answer, and each
token has the whole answer so far decoded and parsed again: n tokens cost n² / 2, in the process
that serves every other stream of the replica too. What comes out is 0: told that thinking is off,
that parser knows no way into it. So it is said at once.

For vLLM 0.29, on GPUs too. Told in `docs/upstream/reasoning-count.md`.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

MODULE: Final = "vllm.parser.engine.adapters"
THINKING: Final = "REASONING"
"""The parser's state in which it takes what comes for thinking."""


def repair(module: ModuleType) -> None:
    """Where another version has no such class, nothing is done; its insides are those of 0.29."""
    adapter = vars(module).get("ParserEngineReasoningAdapter")
    if adapter is not None:
        wrap(adapter, "count_reasoning_tokens", _where_some_may_be)


def _where_some_may_be(count: Callable[..., int]) -> Callable[..., int]:
    def count_or_zero(self: Any, token_ids: Sequence[int]) -> int:
        config = self._parser_engine.parser_engine_config
        return count(self, token_ids) if _may_think(config) else 0

    return count_or_zero


def _may_think(config: Any) -> bool:
    """Whether an answer begins in the state of thinking, or may come into it."""
    return config.initial_state.name == THINKING or any(
        way.next_state.name == THINKING and state.name != THINKING
        for (state, _), way in config.transitions.items()
    )
