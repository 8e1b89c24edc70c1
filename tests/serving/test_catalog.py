import pytest

from serving.catalog import CATALOG, Modes
from serving.values import Mode, ModelName


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        # From the model cards, in billions; the small ones count tied embeddings once.
        ("qwen3-0.6b", 0.596, 0.596),
        ("qwen3-1.7b", 1.721, 1.721),
        ("qwen3-4b", 4.022, 4.022),
        ("qwen3-8b", 8.191, 8.191),
        ("qwen3-14b", 14.768, 14.768),
        ("qwen3-32b", 32.762, 32.762),
        ("qwen3-30b-a3b", 30.532, 3.353),
        ("qwen3-235b-a22b", 235.094, 22.191),
    ],
)
def test_parameters_follow_from_the_row(name, total, active):
    facts = CATALOG[ModelName(name)]
    assert round(facts.parameters / 1e9, 3) == total
    assert round(facts.active_parameters / 1e9, 3) == active


def test_the_kv_cache_of_the_235b_takes_188_kib_a_token_in_bf16():
    elements = CATALOG[ModelName("qwen3-235b-a22b")].kv_elements_per_token
    assert elements * 2 / 1024 == 188


@pytest.mark.parametrize(
    ("name", "hf_id", "modes", "context"),
    [
        ("qwen3-8b", "Qwen/Qwen3-8B", Modes.HYBRID, 40_960),
        (
            "qwen3-235b-a22b-thinking-2507",
            "Qwen/Qwen3-235B-A22B-Thinking-2507",
            Modes.THINKING_ONLY,
            262_144,
        ),
        ("qwen3-4b-instruct-2507", "Qwen/Qwen3-4B-Instruct-2507", Modes.PLAIN_ONLY, 262_144),
    ],
)
def test_a_row_knows_its_checkpoint(name, hf_id, modes, context):
    facts = CATALOG[ModelName(name)]
    assert (facts.hf_id, facts.modes, facts.context) == (hf_id, modes, context)


def test_all_but_the_pocket_models_are_from_qwen():
    others = {name for name, facts in CATALOG.items() if not facts.from_qwen}
    assert others == {"pocket-dense", "pocket-moe"}


def test_no_two_rows_share_a_name_or_an_id():
    assert len({facts.hf_id.lower() for facts in CATALOG.values()}) == len(CATALOG)
    assert all(name == facts.name == name.lower() for name, facts in CATALOG.items())


@pytest.mark.parametrize("name", ["pocket-dense", "pocket-moe"])
def test_pocket_models_are_split_by_two(name):
    facts = CATALOG[ModelName(name)]
    assert facts.q_heads % 2 == 0
    assert facts.kv_heads % 2 == 0
    assert facts.experts % 2 == 0


@pytest.mark.parametrize(
    ("modes", "offered"),
    [
        (Modes.HYBRID, (Mode.THINKING, Mode.PLAIN)),
        (Modes.THINKING_ONLY, (Mode.THINKING,)),
        (Modes.PLAIN_ONLY, (Mode.PLAIN,)),
    ],
)
def test_modes_offered_start_with_the_checkpoints_own(modes, offered):
    assert modes.offered == offered
