"""A model's arguments and environment for vLLM."""

from dataclasses import replace
from typing import Any

import pytest

from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.engine import (
    DOOR,
    TRACED,
    Hardware,
    Pool,
    arguments,
    environment,
    kv_cache_gib,
    source_of,
)
from serving.pools.sharding import PRETEND_GPUS
from serving.values import ModelName


def pool(name: str, source: str = "/models/x", *, kind: str = "h100-80g", **given: Any) -> Pool:
    model = ModelName(name)
    nodes = {key: given.pop(key) for key in ("per_node", "nodes", "network") if key in given}
    spec = ModelSpec.model_validate({"on": "nodes", **given})
    return Pool(model, spec, CATALOG[model], Hardware.of(kind, **nodes), source)


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        pytest.param("qwen3-8b", "qwen3", id="hybrid"),
        pytest.param("qwen3-4b-thinking-2507", "qwen3", id="thinking only"),
        pytest.param("qwen3-4b-instruct-2507", None, id="never thinks"),
    ],
)
def test_reasoning_is_parsed_where_there_can_be_some(name: str, parser: str | None) -> None:
    assert arguments(pool(name)).get("reasoning_parser") == parser


@pytest.mark.parametrize("name", CATALOG)
def test_every_model_has_a_door_and_tools_and_runs_no_code_of_strangers(name: str) -> None:
    found = arguments(pool(name))
    assert found["middleware"] == [DOOR]
    assert found["tool_call_parser"] == "hermes"
    assert found["enable_auto_tool_choice"] is True
    assert found["trust_remote_code"] is False
    assert found["enable_log_requests"] is False


def test_neither_sampling_nor_output_length_is_set() -> None:
    found = arguments(pool("qwen3-8b"))
    assert not {"generation_config", "override_generation_config", "max_model_len"} & found.keys()


def test_context_and_own_arguments_come_from_the_file() -> None:
    found = arguments(pool("qwen3-8b", context=8192, engine={"max_num_seqs": 64}))
    assert (found["max_model_len"], found["max_num_seqs"]) == (8192, 64)


@pytest.mark.parametrize(
    ("precision", "quantization", "dtype"),
    [
        ("bf16", None, "bfloat16"),
        ("fp32", None, "float32"),
        ("fp8", "fp8", "bfloat16"),
        ("awq", None, "bfloat16"),
        ("gptq-int4", None, "bfloat16"),
    ],
)
def test_precision_becomes_vllms_words(
    precision: str, quantization: str | None, dtype: str
) -> None:
    found = arguments(pool("qwen3-8b", precision=precision))
    assert (found.get("quantization"), found["dtype"]) == (quantization, dtype)


@pytest.mark.parametrize(
    ("name", "precision", "size", "spread"),
    [
        pytest.param("qwen3-235b-a22b", "fp8", 4, False, id="1536 / 4 is whole blocks"),
        pytest.param("qwen3-235b-a22b", "fp8", 8, True, id="1536 / 8 is not"),
        pytest.param("qwen3-30b-a3b", "gptq-int4", 4, True, id="768 / 4 is not"),
        pytest.param("qwen3-235b-a22b", "bf16", 8, False, id="not quantised"),
        pytest.param("qwen3-32b", "fp8", 8, False, id="no experts"),
    ],
)
def test_experts_that_cannot_be_cut_are_spread_whole(
    name: str, precision: str, size: int, spread: bool
) -> None:
    found = arguments(pool(name, precision=precision, layout={"tensor": size}))
    assert found["enable_expert_parallel"] is spread


def test_experts_are_cut_over_the_data_ranks_too() -> None:
    found = arguments(pool("qwen3-235b-a22b", precision="fp8", layout={"tensor": 4, "data": 2}))
    assert found["enable_expert_parallel"]


@pytest.mark.parametrize(
    ("layout", "kind", "per_node", "backend"),
    [
        pytest.param({}, "h100-80g", 8, "ray", id="one GPU"),
        pytest.param({"tensor": 8, "pipeline": 2}, "h100-80g", 8, "ray", id="two nodes of GPUs"),
        pytest.param({"tensor": 2, "expert": True}, "cpu", 2, "mp", id="a CPU"),
        pytest.param({"data": 2, "expert": True}, "cpu", 1, "mp", id="engines on CPUs"),
        pytest.param({"pipeline": 2}, "cpu", 1, "ray", id="one engine over two CPUs"),
    ],
)
def test_a_layout_becomes_vllms_words(
    layout: dict[str, Any], kind: str, per_node: int, backend: str
) -> None:
    moe = pool("pocket-moe", kind=kind, per_node=per_node, layout=layout)
    found = arguments(moe)
    assert {
        "tensor": found["tensor_parallel_size"],
        "pipeline": found["pipeline_parallel_size"],
        "data": found["data_parallel_size"],
        "expert": found["enable_expert_parallel"],
    } == {"tensor": 1, "pipeline": 1, "data": 1, "expert": False} | layout
    assert found["distributed_executor_backend"] == backend
    pretends = environment(moe, "/cache").get(PRETEND_GPUS) == "1"
    assert pretends is (kind == "cpu" and backend == "ray")


@pytest.mark.parametrize(
    ("layout", "per_node", "nodes", "interface"),
    [
        pytest.param({"tensor": 2}, 2, 2, "lo", id="an engine on one node"),
        pytest.param({"tensor": 2}, 1, 2, "eth1", id="an engine over two"),
        pytest.param({"data": 2}, 2, 1, "lo", id="two engines where there is one node"),
        pytest.param({"data": 2}, 2, 2, "eth1", id="two engines where there are two"),
    ],
)
def test_ranks_of_one_node_are_heard_on_no_other(
    layout: dict[str, Any], per_node: int, nodes: int, interface: str
) -> None:
    where: dict[str, Any] = {"per_node": per_node, "nodes": nodes, "layout": layout}
    found = environment(pool("pocket-moe", kind="cpu", **where), "/cache")
    assert found.get("GLOO_SOCKET_IFNAME", "eth1") == interface


def test_the_networks_variables_reach_the_engine_and_the_files_own_come_after() -> None:
    network = {"GLOO_SOCKET_IFNAME": "eth1", "NCCL_IB_HCA": "=mlx5_0"}
    found = environment(pool("qwen3-8b", network=network, env={"NCCL_IB_HCA": "mlx5"}), "/cache")
    assert (found["GLOO_SOCKET_IFNAME"], found["NCCL_IB_HCA"]) == ("eth1", "mlx5")


@pytest.mark.parametrize(
    ("precision", "source"),
    [
        ("bf16", "Qwen/Qwen3-8B"),
        ("fp8", "Qwen/Qwen3-8B-FP8"),
        ("awq", "Qwen/Qwen3-8B-AWQ"),
        ("gptq-int4", "Qwen/Qwen3-8B-GPTQ-Int4"),
    ],
)
def test_source_is_the_published_checkpoint_of_that_precision(precision: str, source: str) -> None:
    spec = ModelSpec(on="nodes", precision=precision)  # type: ignore[arg-type]
    assert source_of(spec, CATALOG[ModelName("qwen3-8b")]) == source


def test_source_in_the_file_is_taken_as_it_is() -> None:
    spec = ModelSpec(on="nodes", precision="fp8", source="team/tuned")
    assert source_of(spec, CATALOG[ModelName("qwen3-8b")]) == "team/tuned"


def test_a_cpu_shares_its_cores_and_a_gpu_is_left_alone() -> None:
    on_cpu = environment(pool("pocket-dense", kind="cpu"), "/cache")
    on_gpu = environment(pool("qwen3-8b"), "/cache")
    assert on_cpu["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert on_cpu["OMP_NUM_THREADS"] == "1"
    assert not {key for key in on_gpu if "CPU" in key or key == "OMP_NUM_THREADS"}
    assert arguments(pool("pocket-dense", kind="cpu"))["enforce_eager"] is True
    assert "enforce_eager" not in arguments(pool("qwen3-8b"))


@pytest.mark.parametrize("source", ["/models/x", "hf://Qwen/Qwen3-8B@main"], ids=["folder", "hub"])
def test_no_engine_asks_a_hub(source: str) -> None:
    assert environment(pool("qwen3-8b", source), "/cache")["HF_HUB_OFFLINE"] == "1"


def test_no_prompt_is_logged_and_nothing_is_reported() -> None:
    found = environment(pool("qwen3-8b"), "/cache")
    assert found["RAYLLM_ENABLE_REQUEST_PROMPT_LOGS"] == "0"
    assert found["VLLM_NO_USAGE_STATS"] == "1"


def test_the_files_variables_come_last() -> None:
    found = environment(pool("pocket-dense", kind="cpu", env={"OMP_NUM_THREADS": "4"}), "/cache")
    assert found["OMP_NUM_THREADS"] == "4"


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        pytest.param("pocket-moe", 1, id="never less than one"),
        pytest.param("qwen3-0.6b", 5, id="4.4 GiB for 40,960 tokens"),
    ],
)
def test_the_cache_holds_one_answer_of_the_full_context(name: str, gib: int) -> None:
    assert kv_cache_gib(pool(name, kind="cpu")) == gib


@pytest.mark.parametrize(
    ("kind", "hardware"),
    [
        ("cpu", Hardware(cpu=True)),
        ("h100-80g", Hardware(cpu=False, accelerator="H100")),
        ("l40s-48g", Hardware(cpu=False, accelerator="L40S")),
        ("unheard-24g", Hardware(cpu=False)),
    ],
)
def test_hardware_is_known_by_rays_names(kind: str, hardware: Hardware) -> None:
    assert Hardware.of(kind) == hardware


def test_the_engine_gives_a_step_as_long_as_we_do() -> None:
    found = environment(pool("qwen3-8b", stuckAfter="90500ms"), "/cache")
    assert found["VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"] == "91"


def test_an_engine_sends_spans_of_what_the_gateway_traces_if_there_is_a_collector() -> None:
    bare = pool("qwen3-8b")
    assert "otlp_traces_endpoint" not in arguments(bare)
    assert not [name for name in environment(bare, "/cache") if name.startswith("OTEL_")]

    traced = replace(bare, traces="http://collector:4317")
    assert arguments(traced)["otlp_traces_endpoint"] == "http://collector:4317"
    found = environment(traced, "/cache")
    assert TRACED.items() <= found.items()
    assert found["OTEL_SERVICE_NAME"] == "bifocal-pool-qwen3-8b"
