import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.failure import Failure
from deploy.weights.files import Hasher, is_safe, is_taken, taken


@pytest.mark.parametrize(
    "name",
    [
        "model-00001-of-00118.safetensors", "model.safetensors.index.json", "config.json",
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
        "merges.txt", "chat_template.jinja", "quantize_config.json", "LICENSE",
    ],
)  # fmt: skip
def test_what_an_engine_reads_is_taken(name):
    assert is_taken(name)
    assert is_safe(name)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin", "model.pt", "modeling_qwen.py", "README.md", ".gitattributes",
        "original/model.safetensors", "bifocal-weights.json", "model.gguf", "model.safetensors.py",
    ],
)  # fmt: skip
def test_nothing_else_is(name):
    assert not is_taken(name)


@given(st.text())
def test_a_name_that_is_taken_stays_in_its_folder(name):
    try:
        found = taken([name, "model.safetensors"], "here")
    except Failure:
        return
    assert all("/" not in each and not each.startswith(".") for each in found)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_both_digests_are_those_of_the_whole_however_it_is_cut(content, size):
    hasher, plain = Hasher(len(content), git=True), Hasher(len(content))
    for at in range(0, len(content), size):
        hasher.update(content[at : at + size])
        plain.update(content[at : at + size])
    assert hasher.sha256 == plain.hex == hashlib.sha256(content).hexdigest()
    assert hasher.hex == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_gits_digest_is_gits():
    """As `git hash-object` says of an empty file."""
    assert Hasher(0, git=True).hex == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
