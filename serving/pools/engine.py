"""A model as vLLM wants it: where its weights are, the engine's arguments, its environment.

Pure. How many replicas there are and where they are placed is `serve_config`'s; how a replica is
cut over GPUs is the file's to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType
from typing import Any, Final

from serving.catalog import ModelFacts, Modes
from serving.config import LayoutSpec, ModelSpec
from serving.layout import Precision
from serving.layout.weights import QUANTISED_BLOCK, element_bytes
from serving.pools.patience import stuck_after_s
from serving.pools.sharding import PRETEND_GPUS
from serving.pools.weights import Wanted
from serving.values import ModelName

DOOR: Final = "serving.pools.door.Door"

_CHECKPOINT_SUFFIX: Final[Mapping[str, str]] = MappingProxyType(
    {"bf16": "", "fp32": "", "fp8": "-FP8", "awq": "-AWQ", "gptq-int4": "-GPTQ-Int4"}
)
"""Qwen3's quantised checkpoints are repositories of their own."""

ACCELERATORS: Final = frozenset(
    {"A100", "A10G", "B200", "B300", "GB200", "GB300", "H100", "H20", "H200", "L4", "L40S", "T4"}
)
"""The names by which Ray knows a node's GPUs."""
TRACED: Final = {
    "OTEL_TRACES_SAMPLER": "parentbased_always_off",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2",
}
"""Of an engine that sends spans, as OpenTelemetry's SDK in it reads them. The gateway says which
requests are traced; the engine by itself would record each of the others as a trace of its own. A
collector that is away is given up after so many seconds."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the nodes of a pool compute with."""

    cpu: bool
    accelerator: str | None = None
    """Ray's name of the GPU; None where Ray has no name for it: any GPU will do then."""
    per_node: int | None = None
    """GPUs of a node, or the cores of one that replicas may take; None: enough for any replica."""
    nodes: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    """That Ray's nodes must have."""
    network: Mapping[str, str] = field(default_factory=dict)
    """Variables that tell gloo and NCCL how to reach the other nodes."""

    @classmethod
    def of(cls, kind: str, **more: Any) -> "Hardware":
        """`kind` as the cluster file has it: `cpu`, `h100-80g`."""
        gpu = kind.split("-", maxsplit=1)[0].upper()
        return cls(cpu=kind == "cpu", accelerator=gpu if gpu in ACCELERATORS else None, **more)


@dataclass(frozen=True, slots=True)
class Pool:
    """One model, ready to be deployed."""

    name: ModelName
    spec: ModelSpec
    facts: ModelFacts
    hardware: Hardware
    source: str
    """A folder, if absolute; else what is to be fetched first."""
    weights: Wanted | None = None
    """What is to be fetched, and how."""
    traces: str | None = None
    """Where the engine sends its spans."""

    @property
    def is_local(self) -> bool:
        return self.source.startswith("/")

    @property
    def layout(self) -> LayoutSpec:
        """The one place to ask: what the file leaves out is filled in here."""
        layout = self.spec.layout
        if layout.expert or not _needs_expert_parallel(self):
            return layout
        return layout.model_copy(update={"expert": True})

    @property
    def stuck_after_s(self) -> float:
        """How long a step may take."""
        return stuck_after_s(self.spec, self.facts, cpu=self.hardware.cpu)

    @property
    def spans_nodes(self) -> bool:
        """Whether one engine needs several."""
        per_node = self.hardware.per_node
        return per_node is not None and self.spec.layout.ranks_per_engine > per_node

    @property
    def may_span_nodes(self) -> bool:
        """Whether a replica can come to be on several: its data-parallel engines are placed each by
        itself."""
        return self.spans_nodes or (self.spec.layout.data > 1 and self.hardware.nodes > 1)

    @property
    def by_ray(self) -> bool:
        """Whether Ray starts the workers, as Ray Serve LLM has it on GPUs; on a CPU the engine does
        so itself, unless they are on several nodes."""
        return not self.hardware.cpu or self.spans_nodes


def source_of(spec: ModelSpec, facts: ModelFacts) -> str:
    """What the file says, or the published checkpoint of that precision."""
    return spec.source or facts.hf_id + _CHECKPOINT_SUFFIX[spec.precision]


def arguments(pool: Pool) -> dict[str, Any]:
    """vLLM's engine and front-end arguments.

    What is left out is as important: no sampling defaults (vLLM takes the checkpoint's), no cap on
    output tokens, never `trust_remote_code`. The file's own arguments come last.
    """
    spec, layout = pool.spec, pool.layout
    return {
        "middleware": [DOOR],
        "enable_log_requests": False,
        "disable_fastapi_docs": True,
        "trust_remote_code": False,
        "tensor_parallel_size": layout.tensor,
        "pipeline_parallel_size": layout.pipeline,
        "data_parallel_size": layout.data,
        "enable_expert_parallel": layout.expert,
        "distributed_executor_backend": "ray" if pool.by_ray else "mp",
        "dtype": "float32" if spec.precision == "fp32" else "bfloat16",
        **_parsers(pool.facts),
        **({"max_model_len": spec.context} if spec.context else {}),
        # AWQ and GPTQ are left to the checkpoint: named, they would lose vLLM's faster kernels.
        **({"quantization": "fp8"} if spec.precision == "fp8" else {}),
        **({"enforce_eager": True} if pool.hardware.cpu else {}),
        **({"otlp_traces_endpoint": pool.traces} if pool.traces else {}),
        **spec.engine,
    }


def _parsers(facts: ModelFacts) -> dict[str, Any]:
    """Hermes reads Qwen3's JSON tool calls. A checkpoint that never thinks gets no reasoning
    parser: it would take the whole answer for reasoning."""
    tools = {"enable_auto_tool_choice": True, "tool_call_parser": "hermes"}
    return tools if facts.modes is Modes.PLAIN_ONLY else {**tools, "reasoning_parser": "qwen3"}


def _needs_expert_parallel(pool: Pool) -> bool:
    """Whether tensor and data ranks cannot cut a quantised expert, so that whole experts must be
    spread instead."""
    if not pool.facts.is_moe or pool.spec.precision in ("bf16", "fp32"):
        return False
    layout = pool.spec.layout
    return pool.facts.ffn / (layout.tensor * layout.data) % QUANTISED_BLOCK != 0


def environment(pool: Pool, cache: str) -> dict[str, str]:
    """Of the replica and its engine's processes, which ask no hub for anything. `cache` is a folder
    kept between runs, without which every start compiles and inspects the model anew. The file's
    own variables come last."""
    return {
        "VLLM_NO_USAGE_STATS": "1",
        "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",
        # The engine gives up a step of its workers by itself; vLLM's own patience is 300 s.
        "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": str(ceil(pool.stuck_after_s)),
        # The workers that are left when one dies wait for it in vain: 5 s are vLLM's.
        "VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS": "1",
        "VLLM_CACHE_ROOT": f"{cache}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "HF_HUB_OFFLINE": "1",
        **(TRACED | {"OTEL_SERVICE_NAME": f"bifocal-pool-{pool.name}"} if pool.traces else {}),
        **(_cpu_environment(pool) if pool.hardware.cpu else {}),
        **pool.hardware.network,
        **pool.spec.env,
    }


def _cpu_environment(pool: Pool) -> dict[str, str]:
    """Several engines share the cores: none is bound to any, and each computes with one thread.
    Tracing by torch costs the first requests seconds and gains an eager engine nothing."""
    return {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gib(pool)),
        "TORCHDYNAMO_DISABLE": "1",
        **({PRETEND_GPUS: "1"} if pool.spans_nodes else {}),
        # Ranks that are all on one node need not be heard beyond it.
        **({} if pool.may_span_nodes else {"GLOO_SOCKET_IFNAME": "lo"}),
    }


def kv_cache_gib(pool: Pool) -> int:
    """Memory for keys and values on a CPU: one answer of the full context, at least 1 GiB."""
    bytes_per_element = element_bytes(Precision(pool.spec.precision))
    context = pool.spec.context or pool.facts.context
    needed = pool.facts.kv_elements_per_token * bytes_per_element * context
    return max(1, ceil(needed / 1024**3))
