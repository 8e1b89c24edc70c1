import stat
import tarfile
from pathlib import Path

import pytest

from deploy.bundle.archive import Contents, Entry, bounded, write
from deploy.bundle.here import tail

ENTRIES = [Entry("a", b"1234"), Entry("b", b"567890"), Entry("c", b"x")]


@pytest.mark.parametrize(
    ("limit", "kept", "left_out"),
    [
        (100, {"a": b"1234", "b": b"567890", "c": b"x"}, ()),
        (10, {"a": b"1234", "b": b"567890"}, ("c",)),
        (7, {"a": b"1234", "b": b"890"}, ("c",)),
        (4, {"a": b"1234"}, ("b", "c")),
    ],
)
def test_what_comes_first_has_room_first_and_a_log_keeps_its_end(
    limit: int, kept: dict[str, bytes], left_out: tuple[str, ...]
) -> None:
    found = bounded(ENTRIES, limit)
    assert {entry.name: entry.data for entry in found.entries} == kept
    assert found.left_out == left_out
    assert found.size <= limit


def test_it_is_its_owners_alone_and_lists_itself(tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    contents = Contents(tuple(ENTRIES), ("big",))
    assert write(contents, file, "bifocal", 0.0) == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as packed:
        assert packed.getnames() == [f"bifocal/{n}" for n in ("contents.txt", "a", "b", "c")]
        listed = packed.extractfile("bifocal/contents.txt")
        assert listed is not None
        assert listed.read().decode().splitlines() == list(contents.lines())


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write(Contents(()), tmp_path / "nowhere" / "b.tar.gz", "bifocal", 0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("most", "text"), [(100, "one\ntwo\nthree\n"), (9, "three\n"), (6, "")])
def test_the_end_of_a_log_begins_with_a_line(tmp_path: Path, most: int, text: str) -> None:
    (file := tmp_path / "log").write_text("one\ntwo\nthree\n")
    assert tail(file, most) == text
