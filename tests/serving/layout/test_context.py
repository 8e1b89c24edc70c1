import pytest

from serving.layout.context import OutOfReach, Reach, furthest, reach
from tests.serving.layout.asked import facts


@pytest.mark.parametrize(
    ("model", "context"),
    [
        ("qwen3-0.6b", 40_960),
        ("qwen3-235b-a22b", 40_960),
        ("qwen3-235b-a22b-thinking-2507", 262_144),
        ("pocket-dense", 4096),
    ],
)
def test_the_native_context_needs_nothing(model, context):
    assert reach(facts(model), context) == Reach()


@pytest.mark.parametrize(
    ("context", "factor"),
    [(40_961, 2.0), (65_536, 2.0), (65_537, 3.0), (131_072, 4.0)],
)
def test_beyond_it_yarn_has_the_smallest_factor_that_reaches(context, factor):
    within = reach(facts("qwen3-4b"), context)
    assert isinstance(within, Reach)
    assert within.overrides == {
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": 32_768,
            "rope_theta": 1_000_000,
        }
    }
    assert "quality on short texts" in within.warnings[0]


@pytest.mark.parametrize(
    ("model", "context", "said", "most"),
    [
        ("qwen3-1.7b", 65_536, "no YaRN is published", 40_960),
        ("qwen3-8b", 131_073, "YaRN of factor 4 x 32,768 = 131,072", 131_072),
        ("qwen3-4b-instruct-2507", 1_000_000, "native context is 262,144", 262_144),
        ("pocket-moe", 8192, "native context is 4,096", 4096),
    ],
)
def test_out_of_reach_says_how_far_it_goes(model, context, said, most):
    answer = reach(facts(model), context)
    assert isinstance(answer, OutOfReach)
    assert said in answer.why
    assert answer.furthest == furthest(facts(model)) == most
