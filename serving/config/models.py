"""`models`: what is served, where it runs, how it is cut and scaled."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from serving.config.arguments import VLLM
from serving.config.section import Section, default
from serving.config.units import Seconds, Wait
from serving.values import ModelName


class Replicas(Section):
    """Bounds between which a pool is scaled."""

    min: Annotated[int, Field(ge=0)] = 1
    """Kept even when nobody asks."""
    max: Annotated[int, Field(ge=1)] = 1
    """Never more than these."""

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.min > self.max:
            msg = f"min is {self.min} and max is {self.max}; min must not be above max"
            raise ValueError(msg)
        return self


OURS: Final = frozenset(
    {
        "api_key", "data_parallel_size", "distributed_executor_backend", "enable_auto_tool_choice",
        "enable_expert_parallel", "enable_log_requests", "max_model_len", "middleware", "model",
        "pipeline_parallel_size", "reasoning_parser", "served_model_name", "tensor_parallel_size",
        "tool_call_parser", "trust_remote_code",
    }
)  # fmt: skip
"""Engine arguments that follow from the model or guard it, so a file may not set them."""

COUNTS: Final = frozenset({"max_num_batched_tokens", "max_num_seqs"})
"""Engine arguments that others are computed from."""
MEMORY_ARGUMENT: Final = "gpu_memory_utilization"
"""The engine argument with the share of a GPU's memory that its proof counts with."""


class LayoutSpec(Section):
    """How one replica is cut over GPUs."""

    tensor: Annotated[int, Field(ge=1)] = 1
    """GPUs that share every layer; they talk most, so they belong into one node."""
    pipeline: Annotated[int, Field(ge=1)] = 1
    """Stages, each with a part of the layers; they talk least, so they may be on other nodes."""
    data: Annotated[int, Field(ge=1)] = 1
    """Engines with attention and requests of their own, which share the experts."""
    expert: bool = False
    """Whether whole experts are spread over the GPUs, instead of each being cut."""

    @property
    def ranks_per_engine(self) -> int:
        """Workers, each with a GPU, that take every step together."""
        return self.tensor * self.pipeline

    @property
    def ranks(self) -> int:
        """Of one replica."""
        return self.ranks_per_engine * self.data


class ModelSpec(Section):
    """One model, served by one pool of the same name."""

    on: str
    """The entry of `gpus` whose nodes serve it."""
    source: str | None = None
    """Its weights: `org/name` of the hub, `hf://org/name`, `ms://org/name`, `s3://bucket/prefix`,
    `https://host/folder`, or a local folder (see docs/weights.md). Default: the id of the catalog,
    or the pocket model that ships."""
    revision: str | None = None
    """The commit that is served; of a bucket or a web folder, its seal. A branch or a tag stands
    for what it is when the pool is deployed. Default: the hub's main branch."""
    like: ModelName | None = None
    """The catalog entry that it is a kind of, for a name that the catalog does not hold: a
    fine-tune, whose weights `source` names."""
    replicas: Annotated[int, Field(ge=1)] | Replicas = 1
    """A number, or `{min, max}`. Each pool has room for its max beside the others' min, or the file
    is refused."""
    context: Annotated[int, Field(ge=256)] | None = None
    """Tokens of prompt and answer together. Default: what the checkpoint says."""
    precision: Literal["bf16", "fp32", "fp8", "awq", "gptq-int4"] = "bf16"
    """Of the weights."""
    layout: LayoutSpec = LayoutSpec()
    """How one replica is cut over GPUs. Default: as `bifocal plan` has it for the GPUs; of a model
    that has them for itself what gives most with so many `replicas` (of a range, its max), where
    models share them what takes the fewest. On a CPU it is not cut."""
    stuck_after: Seconds | None = None
    """An engine that has requests and takes no step for so long is replaced. It must be more than
    the slowest step takes, or no engine starts. Default: a minute, and the time of a full
    prefill at the end of the context as slow hardware takes it: on a GPU minutes, on a CPU 37
    minutes of qwen3-0.6b with one thread (`OMP_NUM_THREADS` in `env`), and 3 with 16."""
    hold_for: Wait = default("0s")
    """How long a request waits while no replica of the model can answer: while the only one is
    replaced, or starts again. It must be less than `longestAnswer`. Default: who cannot be answered
    now is told so, or answered by `instead`, at once."""
    instead: ModelName | None = None
    """The model that answers then, with a header that says so (`x-bifocal-instead-of`). Default:
    none; the request is refused with 503 and `Retry-After`."""
    engine: dict[str, str | int | float | bool] = Field(default={})
    """More arguments for vLLM's engine, by vLLM's own names (`max_num_seqs: 64`)."""
    env: dict[str, str] = Field(default={})
    """Environment of this pool's engines."""
    targets: tuple[str, ...] = Field(default=(), strict=False)
    """Fixed URLs of replicas that something else runs; the pool is then not deployed here."""
    targets_token: str | None = None
    """A file with the token that `targets` ask for, relative to the cluster file. Without it they
    get none: the token of our own replicas is not for them."""

    @property
    def bounds(self) -> Replicas:
        """Of its replicas; a number is both."""
        if isinstance(self.replicas, Replicas):
            return self.replicas
        return Replicas(min=self.replicas, max=self.replicas)

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (size := given.get("tensorParallelSize")) is not None:
            msg = f"tensorParallelSize is now layout.tensor; write layout: {{tensor: {size}}}"
            raise ValueError(msg)
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSpec":
        if found := list(self._problems()):
            raise ValueError("\n".join(found))
        return self

    def _problems(self) -> Iterator[str]:
        if taken := sorted(OURS & self.engine.keys()):
            yield f"engine sets {', '.join(taken)}, which Bifocal derives from the model"
        for key in sorted(self.engine.keys() - VLLM - OURS):
            near = difflib.get_close_matches(key, VLLM - OURS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            yield f"engine.{key}: vLLM 0.29 has no such argument; {hint}its names have underscores"
        for key in sorted(COUNTS & self.engine.keys()):
            if type(found := self.engine[key]) is not int or found < 1:
                yield f"engine.{key}: found {found!r}; allowed: a whole number from 1 on"
        share = self.engine.get(MEMORY_ARGUMENT, 1.0)
        if isinstance(share, bool | str) or not 0 < share <= 1:
            allowed = "a number above 0 and up to 1"
            yield f"engine.{MEMORY_ARGUMENT}: found {share!r}; allowed: {allowed}"
        if self.targets_token is not None and not self.targets:
            yield (
                "targetsToken is set and targets is not; without fixed targets nobody asks for it"
            )
