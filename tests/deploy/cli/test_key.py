"""Two who change one file of keys."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.cli.key import _add
from deploy.cli.revoke import from_file
from deploy.keys import alone, line_of, read_keys
from serving.keys import new_key

ONE, OTHER = (new_key(team, None, 0.0).record for team in ("one", "other"))


@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param(lambda file: _add(line_of(OTHER), file), 2, id="new"),
        pytest.param(lambda file: from_file(file, ONE.id), 0, id="revoke"),
    ],
)
def test_who_changes_the_file_waits_for_whoever_is_at_it(
    tmp_path: Path, change: Callable[[Path], object], left: int
) -> None:
    (file := tmp_path / "keys.yaml").write_text(f"{line_of(ONE)}\n")
    with alone(file):
        other = threading.Thread(target=change, args=(file,))
        other.start()
        other.join(0.1)
        assert len(read_keys(file)) == 1
    other.join()
    assert len(read_keys(file)) == left
