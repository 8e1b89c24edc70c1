"""What ships: folders that vLLM loads, small enough to be package data."""

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from deploy import pocket
from deploy.pocket.tokenizer import MARKS

FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture(params=pocket.NAMES)
def folder(request):
    return pocket.folder(request.param)


def test_a_folder_holds_all_that_serving_needs(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_both_models_fit_in_16_megabytes():
    folders = [pocket.folder(name) for name in pocket.NAMES]
    assert sum(path.stat().st_size for f in folders for path in f.iterdir()) <= 16 * 2**20


def test_the_shipped_template_is_the_one_trained_with(folder):
    shipped = (folder / "chat_template.jinja").read_text("utf-8")
    assert shipped == (pocket.folder(pocket.NAMES[0]).parents[1] / "chat_template.jinja").read_text(
        "utf-8"
    )


def test_two_gpus_can_share_a_model(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    for key in ("num_attention_heads", "num_key_value_heads"):
        assert config[key] % 2 == 0
    if "num_experts" in config:
        assert config["num_experts"] >= 8
        assert config["num_experts"] % 2 == 0
        assert config["num_experts_per_tok"] == 2


def test_marks_are_single_tokens_and_survive_decoding(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for mark in MARKS:
        ids = tokenizer.encode(mark).ids
        assert len(ids) == 1
        assert tokenizer.decode(ids) == mark


@pytest.mark.parametrize(
    "text", ["Grüße, 你好!", "नमस्ते 🙂", "\x00\x1f\n\n\t ", "12,345.67 <think>", "a" * 999]
)
def test_any_text_survives_the_tokenizer(folder, text):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_digits_are_never_joined(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert len(tokenizer.encode("0123456789" * 3).ids) == 30


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="pocket-dense, pocket-moe"):
        pocket.folder("pocket-huge")


def test_naming_the_models_imports_no_torch():
    code = "import sys, deploy.pocket, deploy.pocket.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
