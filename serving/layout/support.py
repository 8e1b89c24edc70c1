"""What a precision asks of the GPU and of the hub: hardware that computes it, a checkpoint."""

from typing import Final

from serving.catalog import ModelFacts, Modes
from serving.layout.gpus import GpuKind
from serving.layout.values import Precision

FP8_NATIVE: Final = (8, 9)
"""Ada, Hopper and later compute in FP8. Ampere keeps FP8 weights and computes in 16 bits with
Marlin's kernels since vLLM 0.9 (Qwen's documentation, deployment/vllm)."""
BFLOAT16: Final = (8, 0)
"""Qwen3's activations are bfloat16."""

_INT4: Final = {
    Precision.AWQ: ("4B", "8B", "14B", "32B"),
    Precision.GPTQ_INT4: ("30B-A3B", "235B-A22B"),
}
"""What Qwen publishes (the hub's Qwen3 collection); FP8 of all eight and of every -2507."""


def unsupported(kind: GpuKind, precision: Precision) -> str | None:
    """Why the GPU cannot, or None."""
    if kind.capability >= BFLOAT16 or precision is Precision.FP32:
        return None
    return (
        f"{kind.name} has compute capability {_dotted(kind.capability)}; {precision.value} needs"
        f" {_dotted(BFLOAT16)}"
    )


def warnings_of(model: ModelFacts, precision: Precision, kind: GpuKind) -> tuple[str, ...]:
    """What the operator should know and need not mend."""
    said = (_weight_only(kind, precision), _unpublished(model, precision))
    return tuple(warning for warning in said if warning)


def _weight_only(kind: GpuKind, precision: Precision) -> str | None:
    if precision is not Precision.FP8 or kind.capability >= FP8_NATIVE:
        return None
    return (
        f"{kind.name} (compute capability {_dotted(kind.capability)}) has no FP8 arithmetic, which"
        f" begins at {_dotted(FP8_NATIVE)}: the weights stay FP8, Marlin's kernels compute in 16"
        " bits, so memory is saved and prefill is not faster than bf16"
    )


def is_published(model: ModelFacts, precision: Precision) -> bool:
    """By Qwen; int4 of the hybrid models alone."""
    sizes = _INT4.get(precision)
    size = model.hf_id.removeprefix("Qwen/Qwen3-")
    return sizes is None or (model.modes is Modes.HYBRID and size in sizes)


def _unpublished(model: ModelFacts, precision: Precision) -> str | None:
    if not model.from_qwen or is_published(model, precision):
        return None
    return (
        f"Qwen publishes no {precision.value} checkpoint of {model.hf_id} (only of"
        f" {', '.join(_INT4[precision])}): name a checkpoint of your own as the model's source"
    )


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
