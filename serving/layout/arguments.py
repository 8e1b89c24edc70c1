"""vLLM's engine arguments of a layout, by the names of vLLM 0.29's `EngineArgs`.

Parsers, doors and logging are the pools' business and not a part of a layout.
"""

from collections.abc import Mapping
from typing import Any

from serving.layout.memory import Batch, utilisation
from serving.layout.values import Demand, Precision, Sizes


def engine_arguments(
    demand: Demand, sizes: Sizes, batch: Batch, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Every size is named, those of 1 too, so that nothing depends on a default."""
    return {
        "tensor_parallel_size": sizes.tensor,
        "pipeline_parallel_size": sizes.pipeline,
        "data_parallel_size": sizes.data,
        "enable_expert_parallel": sizes.expert,
        "max_model_len": demand.asked_context,
        "max_num_seqs": batch.max_num_seqs,
        "max_num_batched_tokens": batch.max_num_batched_tokens,
        "gpu_memory_utilization": utilisation(demand),
        "dtype": "float32" if demand.precision is Precision.FP32 else "bfloat16",
        # AWQ and GPTQ are left to the checkpoint: named, they would lose vLLM's faster kernels.
        **({"quantization": "fp8"} if demand.precision is Precision.FP8 else {}),
        **({"hf_overrides": dict(overrides)} if overrides else {}),
    }
