import logging
import os
import time
from pathlib import Path

import pytest

from deploy.config import ConfigError
from deploy.keys import FileKeys, line_of, read_keys, store_of, target_tokens
from serving.config import ModelSpec
from serving.errors import BadKey
from serving.keys import KeyRecord, NewKey, NoKeys, new_key

NOW = 1_900_000_000.0
HASH = "a" * 64


def written(path: Path, *keys: NewKey | str) -> Path:
    lines = [key if isinstance(key, str) else line_of(key.record) for key in keys]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_the_line_of_a_key_opens_for_its_team(tmp_path):
    key, other = new_key("search", 3600, NOW), new_key("7", None, NOW)
    ring = read_keys(written(tmp_path / "keys.yaml", "# the keys", key, other))
    assert ring.record_of(key.secret, NOW).team == "search"
    assert ring.record_of(other.secret, NOW).team == "7"
    with pytest.raises(BadKey, match="expired"):
        ring.record_of(key.secret, NOW + 3600)


def test_a_line_is_what_the_documentation_shows():
    record = KeyRecord(new_key("search", None, NOW).record.team, HASH, NOW)
    assert line_of(record) == (
        f'- {{team: "search", sha256: "{HASH}", expires: "2030-03-17T17:46:40Z"}}'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "k.yaml:1: not a list of keys"),
        ("- x", "k.yaml:1: not a key"),
        (f"\n- {{team: a, sha256: {HASH}, key: bf-secret}}", "k.yaml:2: key: unknown key"),
        ("- {team: a}", "k.yaml:1: team and sha256 are needed"),
        ("- {team: a, sha256: bf-secret}", "k.yaml:1: sha256 of team a: allowed: the 64"),
        (f"- {{team: bf-secret_, sha256: {HASH}}}", "k.yaml:1: team: allowed: 1 to 32"),
        (f"- {{team: a, sha256: {HASH}, expires: bf-secret}}", "k.yaml:1: expires: allowed"),
        (f"- {{team: a, sha256: {HASH}}}\n" * 2, "k.yaml: the same sha256 stands there twice"),
        ("- {", "k.yaml:"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_repeats_no_value(tmp_path, text, said):
    (path := tmp_path / "k.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_keys(path)
    assert said in str(refused.value)
    assert "bf-secret" not in str(refused.value)


def test_a_moment_without_a_zone_is_utc(tmp_path):
    path = written(tmp_path / "k.yaml", f"- {{team: a, sha256: {HASH}, expires: 2030-03-17}}")
    assert len(read_keys(path)) == 1


def test_a_key_that_is_added_opens_and_one_that_is_removed_closes(tmp_path):
    first, second = new_key("a", None, NOW), new_key("b", None, NOW)
    path = written(tmp_path / "k.yaml", first)
    store = FileKeys(path)
    assert store.record_of(first.secret, NOW).team == "a"
    written(path, second)
    os.utime(path, ns=(1, 1))  # so that the times differ however coarse the clock is
    assert store.record_of(first.secret, NOW + 0.5).team == "a"
    assert store.record_of(second.secret, NOW + 1.0).team == "b"
    with pytest.raises(BadKey):
        store.record_of(first.secret, NOW + 1.1)


def test_the_last_key_may_be_taken_out_and_then_nobody_is_let_in(tmp_path):
    key = new_key("a", None, NOW)
    store = FileKeys(written(tmp_path / "k.yaml", key))
    store.record_of(key.secret, NOW)
    written(tmp_path / "k.yaml")
    with pytest.raises(BadKey):
        store.record_of(key.secret, NOW + 2)


@pytest.mark.parametrize("breaks", ["broken", "gone"])
def test_a_file_that_breaks_leaves_the_last_keys_in_force_and_is_told_once(
    tmp_path, caplog, breaks
):
    key = new_key("a", None, NOW)
    path = written(tmp_path / "k.yaml", key)
    store = FileKeys(path)
    store.record_of(key.secret, NOW)
    if breaks == "gone":
        path.unlink()
    else:
        path.write_text(f"- {{team: a, sha256: {key.secret}}}")
    with caplog.at_level(logging.WARNING):
        for second in range(2, 6):
            assert store.record_of(key.secret, NOW + second).team == "a"
    assert len(caplog.records) == 1
    assert key.secret not in caplog.text
    written(path, new_key("b", None, NOW))
    with pytest.raises(BadKey):
        store.record_of(key.secret, NOW + 9)


def test_a_clock_that_steps_back_does_not_stop_the_reading(tmp_path):
    key = new_key("a", None, NOW)
    path = written(tmp_path / "k.yaml")
    store = FileKeys(path)
    with pytest.raises(BadKey):
        store.record_of(key.secret, NOW)
    written(path, key)
    assert store.record_of(key.secret, NOW - 3600).team == "a"


def test_a_large_file_is_read_beside_the_one_who_asks(tmp_path):
    key = new_key("a", None, NOW)
    path = written(tmp_path / "k.yaml")
    store = FileKeys(path, at_once_bytes=0)
    written(path, key)
    deadline, team = time.monotonic() + 5, None
    second = 0
    while team is None and time.monotonic() < deadline:
        second += 2
        try:
            team = store.record_of(key.secret, NOW + second).team
        except BadKey:
            time.sleep(0.01)
    assert team == "a"


def test_a_file_that_is_broken_at_the_start_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        store_of(str(tmp_path / "none.yaml"))
    assert isinstance(store_of(None), NoKeys)


def fixed(token: Path | None) -> ModelSpec:
    given = None if token is None else str(token)
    return ModelSpec(on="cpu", targets=("http://a",), targetsToken=given)


def test_the_tokens_of_fixed_targets_are_read_from_their_files(tmp_path):
    (file := tmp_path / "token").write_text("s3cret\n")
    assert target_tokens({"a": fixed(file), "b": fixed(None)}) == {"a": "s3cret"}


@pytest.mark.parametrize("content", [None, "", "two words", "two\nlines", "é"])
def test_a_file_without_a_token_is_refused_and_not_repeated(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="token: ") as caught:
        target_tokens({"a": fixed(file)})
    assert not content or content not in str(caught.value)
