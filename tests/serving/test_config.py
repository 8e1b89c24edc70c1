import pytest
from pydantic import TypeAdapter, ValidationError

from serving.config import OURS, Bytes, ModelSpec, Seconds, ServingSpec
from serving.values import Mode

MODELS = {"qwen3-8b": {"on": "gpu"}}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("1h", 3600), ("90d", 7_776_000), (" 2s ", 2)],
)
def test_a_duration_has_a_unit(text, seconds):
    assert TypeAdapter(Seconds).validate_python(text) == seconds


@pytest.mark.parametrize("text", ["30", "0s", "-1s", "1 s", "1sec", "s", "1h30m", 30, None])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(text)


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("64KiB", 65536), ("4MiB", 4 * 1024**2)])
def test_a_size_has_a_unit(text, size):
    assert TypeAdapter(Bytes).validate_python(text) == size


def test_defaults_are_those_that_the_files_promise():
    spec = ServingSpec.model_validate({"models": MODELS})
    assert spec.longest_answer == 3600
    assert spec.gateway.host == "127.0.0.1"
    assert spec.gateway.keys is None
    assert spec.gateway.limits.output_tokens.of(Mode.THINKING) == 38_912
    assert spec.gateway.limits.body_size == 4 * 1024**2
    assert spec.slo.of(Mode.PLAIN).ttft == 0.5


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_engine_argument_that_follows_from_the_model_is_not_the_files_to_set(name):
    with pytest.raises(ValidationError, match=f"engine sets {name}"):
        ModelSpec.model_validate({"on": "gpu", "engine": {name: "x"}})


def test_a_cap_must_fit_in_the_longest_answer_at_the_promised_speed():
    spec = {"models": MODELS, "longestAnswer": "3115.96s"}
    ServingSpec.model_validate(spec)
    with pytest.raises(ValidationError, match=r"3 s \+ 38912 x 0\.08 s = 3115\.96 s"):
        ServingSpec.model_validate(spec | {"longestAnswer": "3115s"})
