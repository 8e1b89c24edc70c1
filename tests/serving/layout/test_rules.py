import pytest

from serving.layout import Precision, Sizes
from serving.layout.candidates import candidates
from serving.layout.rules import refusals
from tests.serving.layout.asked import demand

EP = {"expert": True}


@pytest.mark.parametrize(
    ("model", "precision", "sizes", "said"),
    [
        ("qwen3-235b-a22b", "bf16", {"tensor": 3}, "64 query heads / 3 ranks = 21.33"),
        ("qwen3-14b", "bf16", {"tensor": 5}, "TP 5 and 8 KV heads: neither is a multiple"),
        ("qwen3-8b", "bf16", {"tensor": 16}, "TP 16 is more than the 8 GPUs of a node"),
        ("qwen3-235b-a22b", "fp8", {"tensor": 8}, "1536 columns of an expert / 8 ranks = 192"),
        ("qwen3-30b-a3b", "fp8", {"tensor": 4}, "768 columns of an expert / 4 ranks = 192"),
        ("qwen3-235b-a22b", "gptq-int4", {"tensor": 8}, "gptq-int4's blocks of 128"),
        ("qwen3-4b", "fp8", {"tensor": 8}, "1216 FFN columns a rank / 128"),
        ("qwen3-4b", "awq", {"tensor": 8}, "1216 FFN inputs a rank / 128"),
        ("qwen3-0.6b", "bf16", {"pipeline": 29}, "28 layers are too few for 29"),
        ("qwen3-8b", "bf16", {"data": 2}, "replicas"),
        ("qwen3-8b", "bf16", {"tensor": 2, **EP}, "no experts to spread"),
        ("qwen3-30b-a3b", "bf16", {"data": 256, **EP}, "128 experts are too few for 256"),
        ("pocket-dense", "fp8", {}, "64 key and value columns a rank / 128"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_divide_is_refused_with_its_numbers(model, precision, sizes, said):
    asked = demand(model, precision)
    reasons = refusals(asked.model, asked.precision, Sizes(**sizes), asked.nodes)
    assert any(said in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    ("model", "precision", "sizes"),
    [
        ("qwen3-235b-a22b", "bf16", {"tensor": 8}),
        ("qwen3-235b-a22b", "fp8", {"tensor": 4}),
        ("qwen3-235b-a22b", "fp8", {"tensor": 8, **EP}),
        ("qwen3-235b-a22b", "gptq-int4", {"tensor": 4}),
        ("qwen3-235b-a22b", "fp8", {"tensor": 8, "pipeline": 2, "data": 2, **EP}),
        ("qwen3-30b-a3b", "fp8", {"tensor": 2}),
        ("qwen3-30b-a3b", "fp8", {"tensor": 4, **EP}),
        ("qwen3-30b-a3b", "bf16", {"data": 24, **EP}),
        ("qwen3-4b", "fp8", {"tensor": 4}),
        ("qwen3-32b", "fp8", {"tensor": 8}),
        ("qwen3-14b", "awq", {"tensor": 8}),
        ("pocket-moe", "fp32", {"tensor": 2, "data": 2, **EP}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_divides_is_not(model, precision, sizes):
    asked = demand(model, precision)
    assert refusals(asked.model, asked.precision, Sizes(**sizes), asked.nodes) == []


@pytest.mark.parametrize(("per_node", "nodes"), [(1, 1), (6, 1), (8, 3), (8, 16)])
def test_candidates_fit_on_the_nodes_and_none_is_tried_twice(per_node, nodes):
    asked = demand("qwen3-235b-a22b", per_node=per_node, nodes=nodes)
    tried = list(candidates(asked.model, asked.nodes))
    assert len(tried) == len(set(tried))
    assert all(sizes.gpus <= per_node * nodes for sizes in tried)
    assert all(sizes.tensor <= per_node for sizes in tried)


def test_a_dense_model_is_neither_spread_nor_data_parallel():
    asked = demand("qwen3-32b", nodes=2)
    tried = list(candidates(asked.model, asked.nodes))
    assert not any(sizes.expert or sizes.data > 1 for sizes in tried)
    assert Sizes(tensor=8, pipeline=2) in tried


def test_precisions_are_named_as_in_the_cluster_file():
    assert {p.value for p in Precision} == {"bf16", "fp32", "fp8", "awq", "gptq-int4"}
