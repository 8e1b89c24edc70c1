"""Pipeline parallelism: on a CPU a stage has no buffer for what the stage before it sends.

A GPU's model runner makes it in a dummy run, which the CPU's leaves out where nothing is compiled
(`enforce_eager`): the first step ends in a bare AssertionError. Here it is made when it is needed.

For vLLM 0.29.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

MODULE: Final = "vllm.v1.worker.cpu_model_runner"


def repair(module: ModuleType) -> None:
    """Of the CPU's runner alone, which inherits the method."""
    wrap(module.CPUModelRunner, "sync_and_gather_intermediate_tensors", _with_buffer)


def _with_buffer(gather: Callable[..., Any]) -> Callable[..., Any]:
    def make_and_gather(self: Any, *given: Any, **named: Any) -> Any:
        if self.intermediate_tensors is None:
            self.intermediate_tensors = self.model.make_empty_intermediate_tensors(
                batch_size=self.max_num_tokens,
                dtype=self.model_config.dtype,
                device=self.device,
            )
        return gather(self, *given, **named)

    return make_and_gather
