from dataclasses import replace

import pytest

from serving.catalog import CATALOG, ModelFacts
from serving.layout import BadModelConfig, facts_of_config
from serving.values import ModelName

QWEN3_235B = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "max_position_embeddings": 40960,
    "mlp_only_layers": [],
    "model_type": "qwen3_moe",
    "moe_intermediate_size": 1536,
    "num_attention_heads": 64,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 94,
    "num_key_value_heads": 4,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}
QWEN3_4B = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "max_position_embeddings": 40960,
    "model_type": "qwen3",
    "num_attention_heads": 32,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
    "vocab_size": 151936,
}


def same_but_for_its_name(ours: ModelFacts, catalog: str) -> bool:
    row = CATALOG[ModelName(catalog)]
    return replace(ours, name=row.name, hf_id=row.hf_id) == row


@pytest.mark.parametrize(
    ("config", "name"),
    [(QWEN3_235B, "qwen3-235b-a22b"), (QWEN3_4B, "qwen3-4b")],
    ids=["moe", "dense"],
)
def test_a_checkpoints_own_file_gives_the_catalogs_row(config, name):
    assert same_but_for_its_name(facts_of_config(config), name)


def test_the_name_is_the_callers():
    assert facts_of_config(QWEN3_4B, name="our-finetune").name == "our-finetune"


def test_yarn_in_the_file_is_the_models_own_context():
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    assert facts_of_config({**QWEN3_4B, "rope_scaling": yarn}).context == 131_072


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; allowed are 'qwen3' and 'qwen3_moe'"),
        ({"model_type": None}, "model_type is None"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": -4096}, "hidden_size is -4096"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": "4096"}, "hidden_size is '4096'"),
        ({"hidden_size": 4096.0}, "hidden_size is 4096.0"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"vocab_size": 10**30}, "vocab_size is 1000"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no'; true or false"),
        ({"num_key_value_heads": 5}, "not a multiple of num_key_value_heads (5)"),
        ({"num_experts_per_tok": 200}, "num_experts_per_tok is 200, above num_experts (128)"),
        ({"num_experts": None}, "num_experts is missing"),
        ({"mlp_only_layers": [0]}, "mlp_only_layers is [0]; only []"),
        ({"decoder_sparse_step": 2}, "decoder_sparse_step is 2"),
        ({"shared_expert_intermediate_size": 512}, "shared_expert_intermediate_size is 512"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 2}}, "allowed is yarn"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": float("nan")}}, "allowed is yarn"),
        ({"rope_scaling": "yarn"}, "an object or null"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(change, said):
    with pytest.raises(BadModelConfig) as raised:
        facts_of_config({**QWEN3_235B, **change})
    assert said in str(raised.value)
