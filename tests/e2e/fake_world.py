"""vLLM's own model of one rank among many, without the others and without a GPU.

    python -m tests.e2e.fake_world < cases.json > answers.json

torch's "fake" process group says yes to every collective, and tensors on the meta device have
shapes and no bytes, so vLLM builds what the first rank of a large world would hold and applies its
own checks on the way. A case is `{"config": ..., "tensor": ..., "data": ..., "expert": ...}`; an
answer says by precision what vLLM refused (None: nothing), and the rank's bytes in bf16.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

os.environ.update(VLLM_NO_USAGE_STATS="1", HF_HUB_OFFLINE="1", VLLM_LOGGING_LEVEL="ERROR")

import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from vllm.config import ModelConfig, ParallelConfig, VllmConfig, set_current_vllm_config
from vllm.distributed import parallel_state
from vllm.distributed.utils import get_pp_indices, verify_group_size_divides_partition
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.layers.fused_moe.expert_map_manager import (
    ExpertMapManager,
    determine_expert_map,
)
from vllm.model_executor.layers.fused_moe.oracle.fp8 import refine_fp8_moe_block_shape
from vllm.model_executor.layers.linear import LinearBase, ReplicatedLinear, RowParallelLinear
from vllm.model_executor.layers.quantization.utils.fp8_utils import validate_fp8_block_shape
from vllm.model_executor.model_loader.utils import initialize_model

WORLD = 128
BLOCK = 128


def start_world() -> None:
    torch.set_default_dtype(torch.bfloat16)
    torch.fx.experimental._config.meta_nonzero_assume_all_nonzero = True
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=WORLD)
    real = dist.new_group
    dist.new_group = lambda ranks=None, backend=None, **_: real(ranks, backend="fake")
    # For a line of the log it reads numbers, which meta tensors have not.
    ExpertMapManager.get_compressed_map_string = lambda _: ""


def group(size: int) -> parallel_state.GroupCoordinator:
    """The first `size` ranks; every other rank alone."""
    ranks = [list(range(size)), *([rank] for rank in range(size, WORLD))]
    return parallel_state.GroupCoordinator(ranks, 0, "fake", use_device_communicator=False)


def build(case: dict[str, Any], folder: str) -> torch.nn.Module:
    """Raises whatever vLLM raises."""
    Path(folder, "config.json").write_text(json.dumps(case["config"]))
    model = ModelConfig(model=folder, skip_tokenizer_init=True, dtype="bfloat16")
    parallel = ParallelConfig(enable_expert_parallel=case["expert"])
    config = VllmConfig(model_config=model, parallel_config=parallel)
    parallel.tensor_parallel_size, parallel.data_parallel_size = case["tensor"], case["data"]
    model.verify_with_parallel_config(parallel)
    alone, spread = group(1), group(case["tensor"] * case["data"])
    parallel_state._TP, parallel_state._DP = group(case["tensor"]), group(case["data"])
    parallel_state._EP = parallel_state._WORLD = spread
    parallel_state._PP = parallel_state._PCP = parallel_state._DCP = alone
    with set_current_vllm_config(config), torch.device("meta"):
        return initialize_model(vllm_config=config)


def check_fp8(model: torch.nn.Module) -> None:
    """A scale grid finer than the checkpoint's counts as refused: it is one backend's way out."""
    for name, layer in model.named_modules():
        if isinstance(layer, LinearBase) and not isinstance(layer, ReplicatedLinear):
            validate_fp8_block_shape(
                layer,
                layer.input_size,
                layer.output_size,
                layer.input_size_per_partition,
                layer.output_partition_sizes,
                [BLOCK, BLOCK],
            )
        elif hasattr(layer, "moe_config"):
            finer = refine_fp8_moe_block_shape(layer.moe_config, [BLOCK, BLOCK])
            columns = layer.moe_config.intermediate_size_per_partition
            if finer or columns % BLOCK:  # `Fp8MoEMethod.create_weights` raises where none is finer
                raise ValueError(f"{name}: {columns} columns, scales of {finer}")


def check_int4(model: torch.nn.Module) -> None:
    for name, layer in model.named_modules():
        if isinstance(layer, RowParallelLinear):
            verify_group_size_divides_partition(layer.input_size_per_partition, BLOCK, name)
        elif hasattr(layer, "moe_config"):
            columns = layer.moe_config.intermediate_size_per_partition
            verify_group_size_divides_partition(columns, BLOCK, name)


def said(check: Callable[[torch.nn.Module], None], model: torch.nn.Module) -> str | None:
    try:
        check(model)
    except ValueError as error:
        return str(error)
    return None


def answer(case: dict[str, Any]) -> dict[str, Any]:
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = build(case, folder)
    except (AssertionError, ValueError) as error:
        refusal = str(error) or type(error).__name__
        return {"bf16": refusal, "fp8": refusal, "int4": refusal, "bytes": None}
    held = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return {
        "bf16": None,
        "fp8": said(check_fp8, model),
        "int4": said(check_int4, model),
        "bytes": held,
    }


def stages(layers: int, count: int) -> list[list[int]]:
    return [list(get_pp_indices(layers, rank, count)) for rank in range(count)]


def experts(number: int, ranks: int) -> Iterator[list[int]]:
    for rank in range(ranks):
        _, places, _ = determine_expert_map(ranks, rank, number)
        yield list(range(number)) if places is None else (places >= 0).nonzero()[:, 0].tolist()


def length(config: dict[str, Any], overrides: dict[str, Any], context: int) -> int | None:
    """The context that vLLM grants; None if it refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        try:
            model = ModelConfig(
                model=folder,
                skip_tokenizer_init=True,
                hf_overrides=overrides,
                max_model_len=context,
            )
        except ValueError:
            return None
    return model.max_model_len


def main() -> None:
    asked = json.load(sys.stdin)
    start_world()
    answers = {
        "stages": [stages(*one) for one in asked["stages"]],
        "experts": [list(experts(*one)) for one in asked["experts"]],
        "cases": [answer(case) for case in asked["cases"]],
        "lengths": [length(*one) for one in asked["lengths"]],
        "arguments": [field.name for field in fields(EngineArgs)],
    }
    sys.stdout.write("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
