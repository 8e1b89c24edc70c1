"""How long a step may take."""

from typing import Any

import pytest

from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.patience import COMPILATION_S, slowest_step_s, stuck_after_s
from serving.values import ModelName


def asked(name: str, *, cpu: bool = False, **given: Any) -> float:
    spec = ModelSpec.model_validate({"on": "nodes", **given})
    return stuck_after_s(spec, CATALOG[ModelName(name)], cpu=cpu)


@pytest.mark.parametrize(
    ("name", "cpu", "seconds"),
    [
        pytest.param("pocket-dense", True, 63, id="a pocket model"),
        pytest.param("qwen3-0.6b", True, 2229, id="a full prefill on a CPU"),
        pytest.param("qwen3-8b", False, 127, id="on one GPU"),
    ],
)
def test_the_default_is_a_compilation_and_a_full_prefill(
    name: str, cpu: bool, seconds: float
) -> None:
    assert asked(name, cpu=cpu) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize("cpu", [True, False])
def test_threads_make_steps_shorter_where_they_take_them(cpu: bool) -> None:
    one = asked("qwen3-0.6b", cpu=cpu)
    many = asked("qwen3-0.6b", cpu=cpu, env={"OMP_NUM_THREADS": "16"})
    expected = COMPILATION_S + (one - COMPILATION_S) / 16 if cpu else one
    assert many == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("text", ["4,2", "0", "many"])
def test_threads_that_are_not_told_are_one(text: str) -> None:
    assert asked("qwen3-0.6b", cpu=True, env={"OMP_NUM_THREADS": text}) == 2229


def test_the_file_has_the_last_word() -> None:
    assert asked("qwen3-32b", stuckAfter="90s") == 90


@pytest.mark.parametrize("name", CATALOG)
def test_tensor_parallelism_makes_steps_shorter_and_a_pipeline_does_not(name: str) -> None:
    facts = CATALOG[ModelName(name)]

    def step(**layout: int) -> float:
        spec = ModelSpec.model_validate({"on": "nodes", "layout": layout})
        return slowest_step_s(spec, facts, cpu=False)

    assert step(tensor=4) == pytest.approx(step() / 4)
    assert step(pipeline=2) == step()


def test_a_smaller_step_of_the_file_is_a_shorter_one() -> None:
    small = asked("qwen3-8b", engine={"max_num_batched_tokens": 1024})
    assert COMPILATION_S < small < asked("qwen3-8b")
