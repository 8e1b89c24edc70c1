import pytest

from deploy.failure import Failure
from deploy.weights import MANIFEST, Settings, listed, parse, pull, seal, verify
from tests.deploy.weights.loopback import FILES, TAKEN, sha256


@pytest.fixture
def folder(tmp_path):
    (here := tmp_path / "acme" / "tiny").mkdir(parents=True)
    for name in TAKEN:
        (here / name).write_bytes(FILES[name])
    seal(here)
    return here


def test_a_sealed_folder_is_as_it_was(folder):
    assert verify(folder).problems == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: missing"),
        (lambda f: (f / "tokenizer.json").write_bytes(b"{ }"), "expected 2 bytes, found 3"),
        (
            lambda f: (f / "tokenizer.json").write_bytes(b"[]"),
            f"tokenizer.json: expected sha256 {sha256(b'{}')}, found {sha256(b'[]')}",
        ),
        (lambda f: (f / "evil.py").write_text(""), "evil.py: not in the manifest"),
        (lambda f: (f / "config.json").rename(f / ".c"), "config.json: missing"),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b"}}'),
            "b: named by model.safetensors.index.json, and missing",
        ),
    ],
    ids=["missing", "size", "content", "extra", "hidden", "shard"],
)
def test_every_change_is_found(folder, change, said):
    change(folder)
    assert said in "\n".join(verify(folder).problems)


def test_a_link_is_a_change_though_its_content_is_right(folder, tmp_path):
    (folder / "config.json").rename(tmp_path / "config.json")
    (folder / "config.json").symlink_to(tmp_path / "config.json")
    assert "config.json: a link" in verify(folder).problems


def test_a_folder_without_a_manifest_has_nothing_to_be_checked_against(folder):
    (folder / MANIFEST).unlink()
    with pytest.raises(Failure, match=f"has no {MANIFEST}") as failed:
        verify(folder)
    assert "bifocal weights seal" in str(failed.value.remedy)


def test_a_seal_changes_with_any_byte_and_not_with_the_folder(folder, tmp_path):
    first = seal(folder)
    moved = folder.rename(tmp_path / "moved")
    (moved / MANIFEST).unlink()
    assert seal(moved).seal == first.seal
    (moved / "tokenizer.json").write_bytes(b"[]")
    assert seal(moved).seal != first.seal


def test_a_folder_that_is_no_model_is_not_sealed(tmp_path):
    with pytest.raises(Failure, match=r"has no config\.json"):
        seal(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Failure, match=r"no \*\.safetensors"):
        seal(tmp_path)


def test_what_a_store_holds_is_listed_finished_or_not(folder, tmp_path):
    (unfinished := tmp_path / "acme" / "other").mkdir()
    (unfinished / ".bifocal-weights.lock").touch()
    (broken := tmp_path / "acme" / "broken").mkdir()
    (broken / MANIFEST).write_text("{")
    found = {each.folder: each for each in listed(tmp_path)}
    assert found[folder].manifest is not None
    assert (found[unfinished].manifest, found[unfinished].problem) == (None, None)
    assert "is no manifest of weights" in str(found[broken].problem)
    assert len(found) == 3
    assert list(listed(tmp_path / "none")) == []


async def test_a_local_folder_is_checked_and_left_where_it_is(folder, tmp_path):
    settings = Settings(root=tmp_path / "store")
    done = await pull(parse(str(folder)), settings)
    assert (done.folder, done.downloaded) == (folder, 0)
    (folder / "tokenizer.json").write_bytes(b"[]")
    await pull(parse(str(folder)), settings)
    with pytest.raises(Failure, match="expected sha256"):
        await pull(parse(str(folder)), settings, recheck=True)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(Failure, match=r"tokenizer\.json: missing"):
        await pull(parse(str(folder)), settings)
    (folder / MANIFEST).unlink()
    assert (await pull(parse(str(folder)), settings)).manifest is None


async def test_a_local_folder_needs_config_and_safetensors(tmp_path):
    settings = Settings(root=tmp_path / "store")
    with pytest.raises(Failure, match="is no folder"):
        await pull(parse(str(tmp_path / "none")), settings)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("")
    with pytest.raises(Failure, match=r"only pytorch_model\.bin"):
        await pull(parse(str(tmp_path)), settings)
