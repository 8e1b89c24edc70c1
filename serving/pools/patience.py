"""How long a step of an engine may take before the engine is stuck.

Pure. The file may say it (`stuckAfter`); else it follows from the slowest step that the layout can
take: one that compiles, or one that prefills as many tokens as fit into a step.
"""

from math import ceil
from typing import Final

from serving.catalog import ModelFacts
from serving.config import ModelSpec

COMPILATION_S: Final = 60.0
"""A first step that compiles took 4 to 26 s on two busy cores and 40 s over two nodes, although the
warm-up pays for most of them before a replica is ready."""
FLOPS: Final = {True: 1e10, False: 1e13}
"""What the slowest computes a second: of a CPU one thread, of which a busy one (EPYC, AVX-512) was
measured to take 3 to 14 times as much, and of GPUs a rank, a twelfth of what an L4's datasheet says
of bf16. A floor, not a prediction: nothing is to be restarted for being slow. So a real model on
one thread has hours, which it may truly need for a full step; more threads, a shorter `context` and
a smaller step make it less."""
THREADS: Final = "OMP_NUM_THREADS"
"""Of a rank on a CPU; one, unless the model's `env` says otherwise."""
STEP_TOKENS: Final = {True: 2048, False: 16384}
"""The most that vLLM 0.29 puts into one step of a server: on a CPU for each rank, on the largest
GPUs in all."""


def stuck_after_s(spec: ModelSpec, facts: ModelFacts, *, cpu: bool) -> float:
    """Seconds, whole unless the file says otherwise."""
    if spec.stuck_after is not None:
        return spec.stuck_after
    return ceil(COMPILATION_S + slowest_step_s(spec, facts, cpu=cpu))


def slowest_step_s(spec: ModelSpec, facts: ModelFacts, *, cpu: bool) -> float:
    """A full prefill at the end of the longest context: two operations for each weight that a token
    passes through, and four for each number of every key that it attends to (its score and its
    share of the value). The stages of a pipeline take it one after the other, so only tensor
    parallelism makes it shorter."""
    ranks = spec.layout.tensor
    given = spec.engine.get("max_num_batched_tokens")
    tokens = int(given) if given else STEP_TOKENS[cpu] * (ranks if cpu else 1)
    keys = (spec.context or facts.context) * facts.layers * facts.q_heads * facts.head_dim
    threads = _threads(spec) if cpu else 1
    return (2 * facts.active_parameters + 4 * keys) * tokens / (ranks * threads * FLOPS[cpu])


def _threads(spec: ModelSpec) -> int:
    """OpenMP takes other texts for a number, too; who gives one says `stuckAfter` as well."""
    given = spec.env.get(THREADS, "")
    return max(1, int(given)) if given.isdecimal() else 1
