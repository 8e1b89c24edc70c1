"""Our own Ray head's folder and logs; its process is the end-to-end tests' matter."""

from pathlib import Path

import pytest

from deploy.local.head import Ports
from deploy.local.ray_head import RayHead, remove, said
from serving.pools.start import OF_A_START, Mark, Noted, Said, Step

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


def test_what_a_replica_says_of_its_start_is_in_its_log(tmp_path: Path) -> None:
    (tmp_path / "worker-0a-01-77.err").write_bytes(b"\xff\nbifocal start: 7.250 imports\n")
    (tmp_path / "worker-0b-01-78.err").write_bytes(b"another replica")
    (tmp_path / "worker-0c-01-79.err").write_bytes(b"bifocal note: 40% of 1 GiB\n")
    assert said(tmp_path, {"pid": 77}) == Said((Mark(Step.IMPORTS, 7.25),))
    assert said(tmp_path, {"pid": 78}) == Said()
    assert said(tmp_path, {"pid": 79}) == Said(noted=Noted("40% of 1 GiB"))
    assert said(tmp_path, {"pid": None}) == Said()


def test_of_a_long_log_only_the_beginning_is_read(tmp_path: Path) -> None:
    told = "bifocal start: 7.250 imports\n"
    (tmp_path / "worker-0a-01-77.err").write_text(told + "." * OF_A_START + "\n" + told)
    assert said(tmp_path, {"pid": 77}) == Said((Mark(Step.IMPORTS, 7.25),))


def test_nothing_else_is_removed_whatever_a_state_file_says(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    remove(tmp_path / "ray")
    assert (tmp_path / "ray").exists()
