"""Expert parallelism: vLLM's experts on a CPU forget which of the experts are theirs.

With expert parallelism a rank holds some of the experts, and `expert_map` gives each expert's
place among them, -1 for one that another rank holds. `CPUUnquantizedExperts.apply` takes the map
and drops it, so a rank reads weights beyond its own: its process ends with a segmentation fault.
Here an expert of another rank counts nothing, and what is left is summed over the ranks, as on a
GPU.

For vLLM 0.29. Its subclasses (AMX, Arm, Power) inherit it; quantised experts are not covered.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

MODULE: Final = "vllm.model_executor.layers.fused_moe.experts.cpu_moe"


def repair(module: ModuleType) -> None:
    wrap(module.CPUUnquantizedExperts, "apply", _remembering)
    wrap(module.CPUUnquantizedExperts, "_select_experts", _mapping)


def _remembering(apply: Callable[..., Any]) -> Callable[..., Any]:
    def remember_and_apply(
        self: Any,
        hidden_states: Any,
        w1: Any,
        w2: Any,
        router_logits: Any,
        activation: Any,
        global_num_experts: int,
        expert_map: Any,
        *rest: Any,
        **named: Any,
    ) -> Any:
        self._expert_map = expert_map
        given = (hidden_states, w1, w2, router_logits, activation, global_num_experts, expert_map)
        return apply(self, *given, *rest, **named)

    return remember_and_apply


def _mapping(select: Callable[..., Any]) -> Callable[..., Any]:
    def select_and_map(self: Any, *given: Any, **named: Any) -> tuple[Any, Any]:
        weights, ids = select(self, *given, **named)
        expert_map = getattr(self, "_expert_map", None)
        if expert_map is None:
            return weights, ids
        places = expert_map[ids.long()]
        away = places < 0
        return weights.masked_fill(away, 0), places.masked_fill(away, 0).int()

    return select_and_map
