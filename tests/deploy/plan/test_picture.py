"""The picture shows every rank once, in its place, with what it holds."""

import pytest

from deploy.plan.picture import picture
from serving.catalog import CATALOG
from serving.layout import Demand, Nodes, Precision, Sizes, plan
from serving.layout.gpus import kind
from serving.values import ModelName


def drawn(model: str, sizes: Sizes, nodes: int = 1, per_node: int = 4) -> list[str]:
    machines = Nodes(kind("h200-141g"), per_node, nodes)
    demand = Demand(CATALOG[ModelName(model)], Precision.FP8, machines, context=4096)
    layout = next(one for one in plan(demand).layouts if one.sizes == sizes)
    return picture(demand, layout).splitlines()


def test_two_ranks_with_whole_experts() -> None:
    assert drawn("qwen3-30b-a3b", Sizes(tensor=2, expert=True), per_node=2) == [
        "node 0: 2 x h200-141g",
        "┌ GPU 0 ───────────┐ ┌ GPU 1 ───────────┐",
        "│ TP 0             │ │ TP 1             │",
        "│ layers 0-47      │ │ layers 0-47      │",
        "│ 1/2 of the heads │ │ 1/2 of the heads │",
        "│ experts 0-63     │ │ experts 64-127   │",
        "└──────────────────┘ └──────────────────┘",
    ]


def test_replicas_of_one_gpu_say_whose_they_are() -> None:
    assert drawn("qwen3-8b", Sizes(), per_node=2) == [
        "node 0: 2 x h200-141g",
        "┌ GPU 0 ──────┐ ┌ GPU 1 ──────┐",
        "│ replica 0   │ │ replica 1   │",
        "│ layers 0-35 │ │ layers 0-35 │",
        "└─────────────┘ └─────────────┘",
    ]


def test_stages_over_two_nodes_hold_half_of_the_layers_each() -> None:
    lines = drawn("qwen3-235b-a22b", Sizes(tensor=4, pipeline=2), nodes=2)
    first, second = lines.index("node 0: 4 x h200-141g"), lines.index("node 1: 4 x h200-141g")
    assert sum(line.count("layers 0-46") for line in lines[first:second]) == 4
    assert sum(line.count("layers 47-93") for line in lines[second:]) == 4


def test_gpus_that_no_replica_takes_are_counted() -> None:
    assert drawn("qwen3-8b", Sizes(tensor=2), per_node=3)[-1] == "1 of 3 GPUs are left free"


def test_of_many_nodes_the_first_are_drawn_and_the_others_counted() -> None:
    lines = drawn("qwen3-8b", Sizes(), nodes=11, per_node=1)
    assert "node 7: 1 x h200-141g" in lines
    assert lines[-1] == "and 3 more nodes, whose ranks stand in the JSON"


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_every_gpu_of_every_node_has_a_box(nodes: int) -> None:
    lines = drawn("qwen3-8b", Sizes(tensor=2), nodes=nodes, per_node=8)
    assert sum(line.count("┌ GPU ") for line in lines) == 8 * nodes
    assert len({len(line) for line in lines if line[0] in "┌│└"}) == 1
