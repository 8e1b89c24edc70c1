"""This package's slice of the cluster file: models, router, gateway, limits, promises.

Keys are camelCase, as in Helm and KubeRay; an unknown or wrong key is refused. Every class is
frozen; what follows from other fields is a property.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

from serving.values import Mode, ModelName

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _parse(units: Mapping[str, float], example: str, kind: type[float] | type[int]) -> Any:
    pattern = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(units)})")

    def parse(value: object) -> object:
        found = pattern.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            msg = f"a number with a unit ({', '.join(units)}), such as {example}"
            raise ValueError(msg)
        return kind(float(found[1]) * units[found[2]])

    return parse


def _text_with(units: Mapping[str, float]) -> Any:
    """For the JSON schema, so that `helm install` and editors refuse a number without a unit."""
    return Annotated[str, Field(pattern=rf"^\d+(\.\d+)?({'|'.join(units)})$")]


def _duration_text(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds < 1 else f"{seconds:g}s"


Seconds = Annotated[
    float,
    BeforeValidator(_parse(_SECONDS, "30s", float), json_schema_input_type=_text_with(_SECONDS)),
    PlainSerializer(_duration_text),
    Field(gt=0),
]
"""Written as `500ms`, `30s`, `5m`, `1h`, `90d`; in the code a float of seconds."""

Bytes = Annotated[
    int,
    BeforeValidator(_parse(_BYTES, "4MiB", int), json_schema_input_type=_text_with(_BYTES)),
    PlainSerializer(lambda size: f"{size}B"),
    Field(gt=0),
]
"""Written as `64KiB`, `4MiB`; in the code a number of bytes."""


class Section(BaseModel):
    """A part of the cluster file: closed, frozen, camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        strict=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


def _default(text: str) -> Any:
    """A default in the file's own words, so that it is parsed as the file is."""
    return Field(default=text, validate_default=True)


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

    def __str__(self) -> str:
        """As the field writes it: `TP 4, DP 2, EP`."""
        sizes = (("TP", self.tensor), ("PP", self.pipeline), ("DP", self.data))
        parts = [f"{name} {size}" for name, size in sizes if size > 1]
        return ", ".join([*parts, *(["EP"] if self.expert else [])])

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
    """A Hugging Face id or a local folder. Default: the id of the catalog, or the pocket model
    that ships."""
    like: ModelName | None = None
    """The catalog entry that it is a kind of, for a name that the catalog does not hold (a
    fine-tune)."""
    replicas: Annotated[int, Field(ge=1)] | Replicas = 1
    """A number, or `{min, max}`."""
    context: Annotated[int, Field(ge=256)] | None = None
    """Tokens of prompt and answer together. Default: what the checkpoint says."""
    precision: Literal["bf16", "fp32", "fp8", "awq", "gptq-int4"] = "bf16"
    """Of the weights."""
    layout: LayoutSpec = LayoutSpec()
    """How one replica is cut over GPUs. Default: as `bifocal plan` has it for the GPUs, the first
    choice of a model that has them for itself, the one of the fewest GPUs where models share them.
    On a CPU it is not cut."""
    stuck_after: Seconds | None = None
    """An engine that has requests and takes no step for so long is replaced. It must be more than
    the slowest step takes, or no engine starts. Default: a minute, and the time of a full prefill.
    """
    engine: dict[str, str | int | float | bool] = {}
    """More arguments for vLLM's engine, by vLLM's own names (`max_num_seqs: 64`)."""
    env: dict[str, str] = {}
    """Environment of this pool's engines."""
    targets: tuple[str, ...] = Field(default=(), strict=False)
    """Fixed URLs of replicas that something else runs; the pool is then not deployed here."""
    targets_token: str | None = None
    """A file with the token that `targets` ask for, relative to the cluster file. Without it they
    get none: the token of our own replicas is not for them."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (size := given.get("tensorParallelSize")) is not None:
            msg = f"tensorParallelSize is now layout.tensor; write layout: {{tensor: {size}}}"
            raise ValueError(msg)
        return given

    @model_validator(mode="after")
    def _engine_arguments_are_free(self) -> "ModelSpec":
        if taken := sorted(OURS & self.engine.keys()):
            msg = f"engine sets {', '.join(taken)}, which Bifocal derives from the model"
            raise ValueError(msg)
        for key in COUNTS & self.engine.keys():
            if type(found := self.engine[key]) is not int or found < 1:
                msg = f"engine.{key}: found {found!r}; allowed: a whole number from 1 on"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _token_has_targets(self) -> "ModelSpec":
        if self.targets_token is not None and not self.targets:
            msg = "targetsToken is set and targets is not; without fixed targets nobody asks for it"
            raise ValueError(msg)
        return self


class RouterSpec(Section):
    """What the virtual models stand for. Defaults: the model with the fewest active parameters,
    and the one with the most parameters."""

    fast: ModelName | None = None
    """What `fast` is, and what `auto` takes for what is easy."""
    deep: ModelName | None = None
    """What `deep` is, and what `auto` takes for what is hard."""


class OutputTokens(Section):
    """The most tokens of one answer, by mode. Qwen recommends up to 38,912 for hard problems."""

    plain: Annotated[int, Field(ge=1)] = 16_384
    """Without thinking."""
    thinking: Annotated[int, Field(ge=1)] = 38_912
    """Thinking and answer together."""

    def of(self, mode: Mode) -> int:
        return self.thinking if mode is Mode.THINKING else self.plain


class Limits(Section):
    """What one request, or all of them together, may take."""

    body_size: Bytes = _default("4MiB")
    """Of a request."""
    json_depth: Annotated[int, Field(ge=4)] = 64
    """Objects and lists inside each other."""
    messages: Annotated[int, Field(ge=1)] = 1024
    """Of one conversation."""
    tools: Annotated[int, Field(ge=1)] = 128
    """Offered with one request."""
    choices: Annotated[int, Field(ge=1)] = 8
    """`n`"""
    stops: Annotated[int, Field(ge=1)] = 16
    """Strings in `stop`."""
    logprobs: Annotated[int, Field(ge=0)] = 20
    """`top_logprobs`; vLLM's own ceiling is 20."""
    schema_size: Bytes = _default("64KiB")
    """A JSON schema is compiled into a grammar before the first token, so its size is time."""
    output_tokens: OutputTokens = OutputTokens()
    """The most that a client may ask for in `max_tokens`."""
    concurrent_requests: Annotated[int, Field(ge=1)] = 512
    """Of all clients together; the next one is answered 429."""
    time_to_first_byte: Seconds = _default("300s")
    """Waiting for the engine's first byte, queueing included."""


class Promise(Section):
    """What a mode promises: the time to the first token and the time for each one after it."""

    ttft: Seconds
    """To the first token."""
    tpot: Seconds
    """For each token after it."""


class Slo(Section):
    """Promises by mode."""

    plain: Promise = _default({"ttft": "500ms", "tpot": "50ms"})  # type: ignore[arg-type]
    """Without thinking."""
    thinking: Promise = _default({"ttft": "3s", "tpot": "80ms"})  # type: ignore[arg-type]
    """With it."""

    def of(self, mode: Mode) -> Promise:
        return self.thinking if mode is Mode.THINKING else self.plain


class GatewaySpec(Section):
    """Where the endpoint listens and who may use it."""

    host: str = "127.0.0.1"
    """An address beyond loopback needs `keys`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes a free one."""
    keys: str | None = None
    """A file of keys (`bifocal key new` prints its lines), relative to the cluster file."""
    keep_alive: Seconds = _default("10s")
    """A stream that is silent for so long gets a comment, so that no proxy cuts it."""
    targets_every: Seconds = _default("1s")
    """How often the gateway asks Ray where the replicas are."""
    limits: Limits = Limits()
    """What one request, or all of them together, may take."""


class ServingSpec(Section):
    """The slice as a whole; `deploy` adds its own keys beside these."""

    models: Annotated[dict[ModelName, ModelSpec], Field(min_length=1)]
    """The models that are served, by catalog name."""
    router: RouterSpec = RouterSpec()
    """What the virtual models stand for."""
    gateway: GatewaySpec = GatewaySpec()
    """Where the endpoint listens and who may use it."""
    slo: Slo = Slo()
    """What each mode promises."""
    longest_answer: Seconds = _default("1h")
    """The most that one answer may take. Every timer that could cut a stream follows from it."""

    @model_validator(mode="after")
    def _router_names_models(self) -> "ServingSpec":
        for role, name in (("fast", self.router.fast), ("deep", self.router.deep)):
            if name is not None and name not in self.models:
                known = ", ".join(sorted(self.models))
                msg = f"router.{role} names {name}, which is not among models ({known})"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _longest_answer_fits(self) -> "ServingSpec":
        for mode in Mode:
            tokens = self.gateway.limits.output_tokens.of(mode)
            promise = self.slo.of(mode)
            needed = promise.ttft + tokens * promise.tpot
            if needed > self.longest_answer:
                most = int((self.longest_answer - promise.ttft) / promise.tpot)
                msg = (
                    f"gateway.limits.outputTokens.{mode} is {tokens}, and at slo.{mode}'s "
                    f"{promise.ttft:g} s + {tokens} x {promise.tpot:g} s = {needed:g} s it does not"
                    f" fit in longestAnswer ({self.longest_answer:g} s); allowed is at most {most}"
                )
                raise ValueError(msg)
        return self
