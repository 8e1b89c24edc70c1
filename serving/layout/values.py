"""What is asked of the planner and what it answers: frozen values, no decisions.

A replica is one engine: `tensor` x `pipeline` x `data` GPUs, each with one rank. Memory is in
bytes, time in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from serving.catalog import ModelFacts
from serving.layout.gpus import GpuKind


class Precision(StrEnum):
    """Of the weights; named as in the cluster file."""

    BF16 = "bf16"
    FP32 = "fp32"
    FP8 = "fp8"
    AWQ = "awq"
    GPTQ_INT4 = "gptq-int4"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Equal machines with equal GPUs."""

    kind: GpuKind
    per_node: int
    nodes: int = 1

    def __post_init__(self) -> None:
        _at_least_one(per_node=self.per_node, nodes=self.nodes)

    @property
    def gpus(self) -> int:
        return self.per_node * self.nodes


@dataclass(frozen=True, slots=True)
class Load:
    """What speeds are predicted for, and layouts ranked by: a typical request, and a promise."""

    prompt: int = 2048
    """Tokens."""
    answer: int = 2048
    """Tokens, thinking included."""
    tpot_s: float = 0.05
    """The longest that a token after the first may take; the cluster file's `slo.plain` promises
    the same where it says nothing else."""

    def __post_init__(self) -> None:
        _at_least_one(prompt=self.prompt, answer=self.answer)

    @property
    def tokens(self) -> int:
        """Of KV cache that a request needs by its end."""
        return self.prompt + self.answer

    def within(self, context: int) -> "Load":
        """The same where it fits, else as much of both as does."""
        if self.tokens <= context:
            return self
        prompt = max(1, context * self.prompt // self.tokens)
        return replace(self, prompt=prompt, answer=max(1, context - prompt))


@dataclass(frozen=True, slots=True)
class Demand:
    """What shall be served, and on what."""

    model: ModelFacts
    precision: Precision
    nodes: Nodes
    context: int | None = None
    """Tokens of prompt and answer together. None: what the checkpoint says."""
    concurrency: int | None = None
    """Requests of the full context that shall be held at once, over all replicas."""
    load: Load = field(default_factory=Load)
    utilisation: float | None = None
    """Share of a GPU's memory that vLLM may use (`gpu_memory_utilization`). None: its default."""

    def __post_init__(self) -> None:
        _at_least_one(context=self.context, concurrency=self.concurrency)

    @property
    def asked_context(self) -> int:
        return self.context or self.model.context

    @property
    def asked_load(self) -> Load:
        return self.load.within(self.asked_context)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How one replica is cut."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    """Ranks of data-parallel attention: each has its own requests and KV cache."""
    expert: bool = False
    """Whole experts are spread over the tensor and data ranks of a stage, instead of each being
    cut."""

    def __post_init__(self) -> None:
        _at_least_one(tensor=self.tensor, pipeline=self.pipeline, data=self.data)

    @property
    def gpus(self) -> int:
        return self.tensor * self.pipeline * self.data

    @property
    def expert_parallel_size(self) -> int:
        return self.tensor * self.data if self.expert else 1


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the GPU of one rank: the fullest of the replica."""

    weights_dense: int
    """Embeddings, attention, norms, router, and the FFN of a dense model."""
    weights_expert: int
    kv_cache: int
    activations: int
    """The peak of one step's live tensors."""
    cuda_graphs: int
    communication: int
    """Buffers of NCCL and of the custom all-reduce, and the CUDA context."""
    reserve: int
    """What vLLM is told to leave alone: (1 - gpu_memory_utilization) of the GPU."""

    @property
    def used(self) -> int:
        return sum(self.lines().values())

    def lines(self) -> dict[str, int]:
        """By name, in order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the roofline predicts for the demand's load."""

    prefill_s: float
    """Of one prompt of `prompt` tokens, to its first token."""
    decode_s: float
    """Of one step at `batch` requests a replica."""
    alone_s: float
    """Of one step with one request."""
    tokens_per_s: float
    """Of answers, of all replicas with `batch` requests on each, prefill counted in."""
    batch: int
    """Requests of one replica at once: as many as it holds within the promise."""
    prompt: int
    answer: int
    keeps_promise: bool
    """Whether a step takes no longer than promised; where it does, it does even with one request.
    """
    limited_by: str
    """What a decode step waits for."""
    sources: tuple[str, ...]
    """Where each number comes from."""
    measured: bool = False

    @property
    def latency_s(self) -> float:
        """Of one request that has a replica for itself."""
        return self.prefill_s + self.answer * self.alone_s


@dataclass(frozen=True, slots=True)
class Rank:
    """One process on one GPU, and what it holds."""

    node: int
    gpu: int
    """On its node."""
    replica: int
    tensor: int
    pipeline: int
    data: int
    layers: range
    experts: range
    """Of each of its layers: whole ones, or all of them, cut over the tensor ranks."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to serve what was asked."""

    sizes: Sizes
    replicas: int
    """That there is room for."""
    memory: Memory
    kv_tokens: int
    """Of one replica, all its data-parallel ranks together."""
    requests: int
    """Of the asked context that these hold, a replica."""
    held: int
    """Requests of the asked context that all replicas hold at once."""
    engine_args: Mapping[str, Any]
    """By vLLM's own names."""
    bundles: tuple[Mapping[str, float], ...]
    """Of the placement group of one replica (of one data-parallel rank, where there are any:
    Ray Serve LLM makes a group for each and starts them as a gang)."""
    strategy: str
    placement: tuple[tuple[Rank, ...], ...]
    """By node, then by GPU."""
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer."""

    feasible: bool
    """Whether it can run. That it holds the asked concurrency, too, says `holds_concurrency`."""
    why: str
    """One sentence if feasible; else the arithmetic of the refusal."""
    warnings: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    """Best first."""
    nearest: str | None = None
    """Of what was asked and cannot be, the nearest thing that can."""
    holds_concurrency: bool = True
    """Whether the best layout holds as many requests of the full context as were asked for."""
    quickest: Layout | None = None
    """The layout that answers one request alone in the least time."""


def _at_least_one(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; at least 1 is needed")
