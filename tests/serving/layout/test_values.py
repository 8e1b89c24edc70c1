import pytest

from serving.layout import Demand, Nodes, Precision, Sizes
from serving.layout.gpus import kind
from tests.serving.layout.asked import facts

H100 = kind("h100-80g")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Nodes(H100, 0), "per_node is 0; at least 1"),
        (lambda: Nodes(H100, 8, -1), "nodes is -1"),
        (lambda: Sizes(tensor=0), "tensor is 0"),
        (
            lambda: Demand(facts("qwen3-8b"), Precision.BF16, Nodes(H100, 1), context=0),
            "context is 0",
        ),
        (
            lambda: Demand(facts("qwen3-8b"), Precision.BF16, Nodes(H100, 1), concurrency=-5),
            "concurrency is -5",
        ),
    ],
    ids=["per_node", "nodes", "tensor", "context", "concurrency"],
)
def test_no_number_is_below_one(build, said):
    with pytest.raises(ValueError, match=said):
        build()


@pytest.mark.parametrize(
    ("sizes", "gpus", "expert_parallel_size"),
    [
        (Sizes(), 1, 1),
        (Sizes(tensor=8, expert=True), 8, 8),
        (Sizes(tensor=4, pipeline=2, data=2, expert=True), 16, 8),
        (Sizes(tensor=4, pipeline=2), 8, 1),
    ],
    ids=str,
)
def test_experts_are_spread_over_tensor_and_data_ranks_of_a_stage(
    sizes, gpus, expert_parallel_size
):
    assert (sizes.gpus, sizes.expert_parallel_size) == (gpus, expert_parallel_size)
