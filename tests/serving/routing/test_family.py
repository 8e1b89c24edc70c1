from dataclasses import replace

import pytest

from serving.catalog import CATALOG, ModelFacts
from serving.errors import UnknownModel
from serving.routing import Depth, Family
from serving.values import ModelName


def served(*names: str) -> dict[ModelName, ModelFacts]:
    return {ModelName(name): CATALOG[ModelName(name)] for name in names}


@pytest.mark.parametrize(
    ("names", "fast", "deep"),
    [
        pytest.param(("pocket-dense", "pocket-moe"), "pocket-dense", "pocket-moe", id="pocket"),
        pytest.param(
            ("qwen3-235b-a22b", "qwen3-8b", "qwen3-0.6b"),
            "qwen3-0.6b",
            "qwen3-235b-a22b",
            id="real",
        ),
        pytest.param(
            ("qwen3-32b", "qwen3-30b-a3b"),
            "qwen3-30b-a3b",
            "qwen3-32b",
            id="active is what is fast",
        ),
        pytest.param(("qwen3-8b",), "qwen3-8b", "qwen3-8b", id="one is both"),
        pytest.param(
            ("qwen3-4b-thinking-2507", "qwen3-8b"), "qwen3-8b", "qwen3-8b", id="fast can be plain"
        ),
        pytest.param(
            ("qwen3-0.6b", "qwen3-30b-a3b-instruct-2507"),
            "qwen3-0.6b",
            "qwen3-0.6b",
            id="deep can think",
        ),
        pytest.param(
            ("qwen3-4b-thinking-2507",),
            "qwen3-4b-thinking-2507",
            "qwen3-4b-thinking-2507",
            id="no other",
        ),
    ],
)
def test_fast_has_the_fewest_active_parameters_and_deep_the_most(names, fast, deep):
    family = Family.of(served(*names))
    assert (family.fast, family.deep) == (fast, deep)
    assert (family.at(Depth.FAST), family.at(Depth.DEEP)) == (fast, deep)


def test_the_cluster_file_may_say_which_are_fast_and_deep():
    family = Family.of(
        served("qwen3-0.6b", "qwen3-8b", "qwen3-32b"), ModelName("qwen3-8b"), ModelName("qwen3-8b")
    )
    assert (family.fast, family.deep) == ("qwen3-8b", "qwen3-8b")


@pytest.mark.parametrize("name", ["qwen3-8b", "Qwen/Qwen3-8B", "qwen/qwen3-8b", "QWEN3-8B"])
def test_a_model_answers_to_its_name_and_its_id_in_any_case(name):
    assert Family.of(served("qwen3-8b", "qwen3-32b")).resolve(name) == "qwen3-8b"


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(UnknownModel) as refused:
        Family.of(served("qwen3-8b", "pocket-moe")).resolve("gpt")
    assert refused.value.message == (
        "unknown model 'gpt'; there are: auto, fast, deep, qwen3-8b, pocket-moe"
    )
    assert (refused.value.status, refused.value.param) == (404, "model")


def test_of_two_with_one_id_the_first_answers_to_it():
    base = CATALOG[ModelName("qwen3-8b")]
    both = {base.name: base, ModelName("tuned"): replace(base, name=ModelName("tuned"))}
    family = Family.of(both)
    assert family.resolve(base.hf_id) == "qwen3-8b"
    assert family.aliases(ModelName("qwen3-8b")) == ("Qwen/Qwen3-8B",)
    assert family.aliases(ModelName("tuned")) == ()
