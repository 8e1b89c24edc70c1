"""Our own Ray head's folder and logs; its process is the end-to-end tests' matter."""

from pathlib import Path

import pytest

from deploy.local.head import Ports
from deploy.local.ray_head import ENGINE_IS_UP, RayHead, remove

LONGEST_SOCKET = "session_2026-11-24_14-00-28_116673_4194304/sockets/dashboard_ReportHead"
"""The longest that Ray puts below its folder."""


@pytest.fixture
def head() -> RayHead:
    return RayHead(Ports(*range(10)), ray_token="t")


def test_its_folder_is_private_and_short_and_goes_when_forgotten(head: RayHead) -> None:
    around = head.temp_dir.parent
    assert around.stat().st_mode & 0o777 == 0o700
    assert len(str(head.temp_dir / LONGEST_SOCKET)) <= 107
    head.forget()
    assert not around.exists()


@pytest.mark.parametrize(
    ("text", "warming"), [(b"loading weights", False), (ENGINE_IS_UP, True)], ids=["not yet", "up"]
)
def test_a_replica_says_in_its_log_that_its_engine_is_up(
    head: RayHead, text: bytes, warming: bool
) -> None:
    head.logs.mkdir(parents=True)
    (head.logs / "worker-0a-01-77.err").write_bytes(text)
    (head.logs / "worker-0b-01-78.err").write_bytes(b"another replica")
    assert head.is_warming({"pid": 77}) is warming
    assert not head.is_warming({"pid": 78})
    assert not head.is_warming({"pid": None})
    head.forget()


def test_nothing_else_is_removed_whatever_a_state_file_says(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    remove(tmp_path / "ray")
    assert (tmp_path / "ray").exists()
