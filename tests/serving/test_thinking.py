import pytest

from serving.catalog import CATALOG
from serving.thinking import sampling, template_kwargs
from serving.values import Mode, ModelName

THINKING = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0}
PLAIN = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.0}


@pytest.mark.parametrize(
    ("mode", "precision", "expected"),
    [
        (Mode.THINKING, "bf16", THINKING),
        (Mode.THINKING, "fp32", THINKING),
        (Mode.PLAIN, "bf16", PLAIN),
        (Mode.PLAIN, "fp8", PLAIN | {"presence_penalty": 1.5}),
        (Mode.THINKING, "fp8", THINKING | {"presence_penalty": 1.5}),
        (Mode.THINKING, "awq", THINKING | {"presence_penalty": 1.5}),
        (Mode.PLAIN, "gptq-int4", PLAIN | {"presence_penalty": 1.5}),
    ],
)
def test_the_preset_follows_the_mode_and_the_precision(mode, precision, expected):
    assert dict(sampling(mode, precision)) == expected


def test_a_preset_cannot_be_changed_by_who_reads_it():
    with pytest.raises(TypeError):
        sampling(Mode.PLAIN, "bf16")["temperature"] = 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("qwen3-8b", Mode.THINKING, {"enable_thinking": True}),
        ("qwen3-8b", Mode.PLAIN, {"enable_thinking": False}),
        ("qwen3-4b-thinking-2507", Mode.THINKING, {}),
        ("qwen3-4b-instruct-2507", Mode.PLAIN, {}),
    ],
)
def test_only_a_hybrid_checkpoint_has_a_switch(name, mode, expected):
    assert template_kwargs(mode, CATALOG[ModelName(name)]) == expected
