"""The layout planner's rules and sizes against vLLM's own code, built for one rank among many."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from serving.catalog import CATALOG, ModelFacts
from serving.layout import Demand, Nodes, Precision, Sizes, plan
from serving.layout.context import Reach, reach
from serving.layout.gpus import kind
from serving.layout.rules import refusals
from serving.layout.stages import experts_of_ranks, layers_of_stages
from serving.layout.weights import parameters_of
from serving.values import ModelName

pytestmark = pytest.mark.engine

NAMES = ("0.6b", "1.7b", "4b", "8b", "14b", "32b", "30b-a3b", "235b-a22b")
WHOLE = [CATALOG[ModelName(f"qwen3-{name}")] for name in NAMES]
MODELS = [replace(model, layers=2) for model in WHOLE]
"""Two layers of each: all layers of a model are alike."""
ODD = replace(MODELS[0], name=ModelName("odd"), head_dim=64, ffn=3008, vocabulary=151_900)
"""Blocks of 128 do not fit into it anywhere."""
TENSOR = (1, 2, 3, 4, 5, 8, 16, 32)
NODE = Nodes(kind("h100-80g"), 32)
"""So large that only divisibility refuses."""

CASES = [
    (model, Sizes(tensor=tensor, data=data, expert=expert))
    for model, tensor, data, expert in product((*MODELS, ODD), TENSOR, (1, 2, 4), (False, True))
    if model.is_moe or (data == 1 and not expert)
]
STAGES = [(layers, count) for layers in (4, 28, 36, 48, 64, 94) for count in range(1, 17)]
STAGES = [(layers, count) for layers, count in STAGES if count <= layers]
EXPERTS = [(number, ranks) for number in (8, 128) for ranks in (1, 2, 3, 5, 8)] + [(128, 24)]


LENGTHS = [(model, context) for model in WHOLE for context in (40_960, 40_961, 65_537, 131_072)]


def config_of(model: ModelFacts) -> dict[str, Any]:
    """A Hugging Face config.json."""
    moe = {
        "moe_intermediate_size": model.ffn,
        "num_experts": model.experts,
        "num_experts_per_tok": model.active_experts,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }
    return {
        "architectures": ["Qwen3MoeForCausalLM" if model.is_moe else "Qwen3ForCausalLM"],
        "model_type": "qwen3_moe" if model.is_moe else "qwen3",
        "num_hidden_layers": model.layers,
        "hidden_size": model.hidden,
        "intermediate_size": model.ffn,
        "num_attention_heads": model.q_heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "vocab_size": model.vocabulary,
        "max_position_embeddings": model.context,
        "tie_word_embeddings": model.tied_embeddings,
        "rope_theta": 1_000_000,
        "hidden_act": "silu",
        "torch_dtype": "bfloat16",
        **(moe if model.is_moe else {}),
    }


def overrides_of(model: ModelFacts, context: int) -> Mapping[str, Any]:
    within = reach(model, context)
    return within.overrides if isinstance(within, Reach) else {}


@pytest.fixture(scope="module")
def vllm_says() -> dict[str, Any]:
    asked = {
        "stages": STAGES,
        "experts": EXPERTS,
        "lengths": [
            (config_of(model), overrides_of(model, context), context) for model, context in LENGTHS
        ],
        "cases": [
            {
                "config": config_of(model),
                "tensor": sizes.tensor,
                "data": sizes.data,
                "expert": sizes.expert,
            }
            for model, sizes in CASES
        ],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.fake_world"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_layers_are_cut_as_vllm_cuts_them(vllm_says):
    ours = [[[s.start, s.stop] for s in layers_of_stages(*one)] for one in STAGES]
    assert ours == vllm_says["stages"]


def test_experts_are_spread_as_vllm_spreads_them(vllm_says):
    assert [[list(r) for r in experts_of_ranks(*one)] for one in EXPERTS] == vllm_says["experts"]


@pytest.mark.parametrize("precision", ["bf16", "fp8", "int4"])
def test_what_is_refused_vllm_refuses_and_what_is_not_it_builds(vllm_says, precision):
    differ = []
    for (model, sizes), answer in zip(CASES, vllm_says["cases"], strict=True):
        int4 = Precision.GPTQ_INT4 if model.is_moe else Precision.AWQ
        ours = refusals(model, int4 if precision == "int4" else Precision(precision), sizes, NODE)
        if bool(ours) != bool(answer[precision]):
            differ.append((model.name, sizes, ours, answer[precision]))
    assert differ == []


def test_vllm_grants_the_contexts_that_are_within_reach_and_no_others(vllm_says):
    ours = [
        context if isinstance(reach(model, context), Reach) else None for model, context in LENGTHS
    ]
    assert ours == vllm_says["lengths"]


def test_every_engine_argument_is_spelled_as_vllm_spells_it(vllm_says):
    nodes = Nodes(kind("h100-80g"), 8)
    asked = Demand(CATALOG[ModelName("qwen3-235b-a22b")], Precision.FP8, nodes, context=65_536)
    assert plan(asked).layouts[0].engine_args.keys() <= set(vllm_says["arguments"])


def test_a_rank_holds_the_bytes_that_vllm_gives_it(vllm_says):
    differ, compared = [], 0
    for (model, sizes), answer in zip(CASES, vllm_says["cases"], strict=True):
        if answer["bytes"] is None:
            continue
        counted = parameters_of(model, sizes, 0)
        ours = 2 * (counted.linear + counted.kept + counted.expert)
        compared += 1
        if ours != answer["bytes"]:
            differ.append((model.name, sizes, ours, answer["bytes"]))
    assert differ == []
    assert compared > 50
