"""The state folder."""

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.state import LOOK_S, Left, OtherVersion, Running, StateFolder, running_here

RUNNING = Running(
    supervisor=ProcessId(12, 3.5),
    progress="starting",
    url="http://127.0.0.1:8000",
    ray_url="http://127.0.0.1:8265",
    ports=Ports(*range(10)),
    temp_dir="/tmp/x",
    head=ProcessId(13, 4.25),
)


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"BIFOCAL_STATE": "{tmp}/a"}, "a"),
        ({"XDG_STATE_HOME": "{tmp}/b"}, "b/bifocal"),
        ({"BIFOCAL_STATE": "{tmp}/a", "XDG_STATE_HOME": "{tmp}/b"}, "a"),
    ],
    ids=["ours", "the desktop's", "ours first"],
)
def test_the_environment_says_where(tmp_path: Path, env: dict[str, str], place: str) -> None:
    found = StateFolder.of({key: value.format(tmp=tmp_path) for key, value in env.items()})
    assert found.path == tmp_path / place


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "s")
    state.save(RUNNING)
    state.new_secret(state.pool_token_file)
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert state.logs.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in state.path.iterdir() if file.is_file()} == {
        0o600
    }


def test_logs_that_others_could_read_are_closed(tmp_path: Path) -> None:
    (logs := tmp_path / "logs").mkdir(mode=0o755)
    StateFolder(tmp_path)
    assert logs.stat().st_mode & 0o777 == 0o700


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert state.load() is None
    state.save(RUNNING)
    assert state.load() == RUNNING


def test_what_another_version_wrote_is_refused_with_what_to_do(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.write(tmp_path / "state.json", '{"supervisor": {"pid": 12, "started": 3.5}}')
    with pytest.raises(OtherVersion, match=r"another version of bifocal: .*progress") as caught:
        state.load()
    assert "`bifocal down`" in str(caught.value.remedy)
    assert state.left() == Left(supervisor=ProcessId(12, 3.5))


def test_of_a_torn_file_nothing_is_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = StateFolder(tmp_path)
    assert state.left() is None
    state.write(tmp_path / "state.json", '{"head": ')
    assert state.left() == Left()
    assert "does not say which processes" in caplog.text


def test_what_is_cleared_is_gone_with_the_secrets(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.save(RUNNING)
    state.new_secret(state.ray_token_file)
    state.clear()
    assert state.load() is None
    assert not state.ray_token_file.exists()


def test_secrets_are_long_and_new_each_time(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    first, second = (state.new_secret(state.pool_token_file) for _ in range(2))
    assert first != second
    assert len(first) >= 43
    assert state.pool_token_file.read_text() == second


def test_one_supervisor_holds_the_lock(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    assert not second.is_locked()
    assert first.lock()
    assert not second.lock()
    assert second.is_locked()
    first.unlock()
    assert second.lock()
    second.unlock()


def test_who_only_looks_is_no_supervisor_to_another_who_looks(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    with (tmp_path / "lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as `is_locked` holds it for a moment
        assert not first.is_locked()
        threading.Timer(LOOK_S / 10, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        assert second.lock()
    second.unlock()


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    holds = (
        "import sys, time; from pathlib import Path\n"
        "from deploy.local.state import StateFolder\n"
        "print(StateFolder(Path(sys.argv[1])).lock(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        state = StateFolder(tmp_path)
        assert state.is_locked()
        process.kill()
        process.wait()
        assert not state.is_locked()


def test_what_runs_here_is_found_only_while_it_runs(tmp_path: Path) -> None:
    env = {"BIFOCAL_STATE": str(tmp_path / "s")}
    assert running_here(env) is None
    assert not (tmp_path / "s").exists()
    supervisor = StateFolder(tmp_path / "s")
    supervisor.save(RUNNING)
    assert running_here(env) is None
    supervisor.lock()
    assert running_here(env) == RUNNING
    supervisor.unlock()
