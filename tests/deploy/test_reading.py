import pytest

from deploy.reading import MAX_DEPTH, MAX_FILE_BYTES, UnreadableFile, parse, read_document


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{on: cpu, off: x}", {"on": "cpu", "off": "x"}),
        ("a: yes", {"a": "yes"}),
        ("a: true", {"a": True}),
        ("a: 012", {"a": "012"}),
        ("a: 12", {"a": 12}),
        ("a: -0.5", {"a": -0.5}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 2026-11-24", {"a": "2026-11-24"}),
        ("a: 12:30:00", {"a": "12:30:00"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("", None),
        ("- 1h", ["1h"]),
    ],
)
def test_scalars_are_what_they_look_like(text, data):
    assert parse(text, "f").data == data


def test_the_line_of_every_key_is_known():
    lines = parse("a:\n  b: 1\n  c:\n  - x\n  - y\n", "f").lines
    assert lines["a",] == 1
    assert lines["a", "b"] == 2
    assert lines["a", "c", "1"] == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: a stands there twice, first on line 1"),
        ("m:\n  a: 1\n  a: 1\n", "f:3: m.a stands there twice, first on line 2"),
        ("a: &x [1]\nb: *x\n", "f:2: aliases"),
        ("a: [1", "f:1: "),
        ("a: !!python/object:os.system x", "f:1: "),
        ("a: \x00", "f: "),
        ("[" * (MAX_DEPTH + 1), f"f:1: nested deeper than {MAX_DEPTH}"),
        ("[" * 100_000, "f:1: nested deeper"),
        ("a: 1\n---\nb: 2\n", "f:2: "),
    ],
)
def test_what_is_not_meant_or_means_harm_is_refused_with_its_line(text, said):
    with pytest.raises(UnreadableFile) as refused:
        parse(text, "f")
    assert said in str(refused.value)


def test_a_bomb_of_aliases_does_not_go_off():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 20)]
    with pytest.raises(UnreadableFile, match="aliases"):
        parse("\n".join(["l0: &l0 [x]", *levels]), "f")


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(UnreadableFile, match=r"none\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "none.yaml")
    (large := tmp_path / "large.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(UnreadableFile, match="larger than 1024 KiB"):
        read_document(large)
    (latin := tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UnreadableFile, match="not UTF-8"):
        read_document(latin)
