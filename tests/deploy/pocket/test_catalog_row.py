"""What the catalog says of the pocket models is what ships."""

import json

import pytest

from deploy import pocket
from serving.catalog import CATALOG
from serving.values import ModelName


@pytest.mark.parametrize("name", pocket.NAMES)
def test_the_catalog_tells_the_shipped_shape(name: str) -> None:
    config = json.loads((pocket.folder(name) / "config.json").read_text())
    facts = CATALOG[ModelName(name)]
    assert (facts.layers, facts.hidden, facts.q_heads, facts.kv_heads, facts.head_dim) == (
        config["num_hidden_layers"],
        config["hidden_size"],
        config["num_attention_heads"],
        config["num_key_value_heads"],
        config["head_dim"],
    )
    assert facts.ffn == config.get("moe_intermediate_size", config["intermediate_size"])
    assert facts.experts == config.get("num_experts", 0)
    assert facts.active_experts == config.get("num_experts_per_tok", 0)
    assert (facts.vocabulary, facts.context) == (
        config["vocab_size"],
        config["max_position_embeddings"],
    )
    assert facts.tied_embeddings == config["tie_word_embeddings"]
