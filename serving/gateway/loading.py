"""How long a pool takes to be ready, and when it is worth asking for it again. Pure.

What is known before it is ready are its weights and since when it loads; what the machine and its
disks can do is not, so a client is asked to come back a little early rather than late.
"""

from typing import Final

from serving.catalog import ModelFacts

ENGINE_START_S: Final = 70.0
"""Without weights to speak of: pocket pools on two cores take 35 to 70 s."""
READ_BYTES_PER_S: Final = 500e6
"""Assumed of the disk or network that the weights come from: somewhat less than SATA's 6 Gbit/s."""
BYTES_PER_WEIGHT: Final = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "awq": 0.5, "gptq-int4": 0.5}
SOON_S: Final = 5
PATIENCE: Final = 0.1
"""Of a pool that takes longer than expected: it is asked for again after a tenth of its age."""


def expected_start_s(facts: ModelFacts, precision: str) -> float:
    """From its deployment until it answers; 70 s for a pocket model, 9 minutes for Qwen3-235B in
    FP8."""
    return ENGINE_START_S + weights_bytes(facts, precision) / READ_BYTES_PER_S


def weights_bytes(facts: ModelFacts, precision: str) -> float:
    """Of its checkpoint, about."""
    return facts.parameters * BYTES_PER_WEIGHT.get(precision, 2.0)


def come_again_s(expected_s: float, loading_for_s: float) -> int:
    """Whole seconds."""
    return round(max(SOON_S, expected_s - loading_for_s, PATIENCE * loading_for_s))
