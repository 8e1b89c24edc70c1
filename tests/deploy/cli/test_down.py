"""What `down` and `status` make of the state of another version of bifocal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local.processes import ProcessId, reap, spawn
from deploy.local.state import StateFolder
from tests.deploy.cli.conftest import Bifocal


def sleeping(tmp_path: Path) -> tuple["subprocess.Popen[bytes]", dict[str, float]]:
    with (tmp_path / "log").open("wb") as log:
        process = spawn([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, log)
    id = ProcessId.of(process.pid)
    assert id is not None
    return process, {"pid": id.pid, "started": id.started}


def written(tmp_path: Path, **found: object) -> StateFolder:
    state = StateFolder(tmp_path / "state")
    state.write(state.path / "state.json", json.dumps(found))
    return state


def test_status_says_what_to_do(bifocal: Bifocal, tmp_path: Path) -> None:
    written(tmp_path, supervisor={"pid": 1, "started": 1.0})
    done = bifocal("status")
    assert done.code == 1
    assert "state.json was written by another version of bifocal" in done.err
    assert "`bifocal down` stops what that started" in done.err
    assert "Traceback" not in done.err


def test_down_ends_what_it_left(bifocal: Bifocal, tmp_path: Path) -> None:
    process, id = sleeping(tmp_path)
    state = written(tmp_path, head=id)
    assert bifocal("down").code == 0
    assert reap(process) == -signal.SIGTERM
    assert state.left() is None


def test_down_clears_away_what_says_nothing(bifocal: Bifocal, tmp_path: Path) -> None:
    state = written(tmp_path, head="unknown")
    assert bifocal("down").code == 4
    assert state.left() is None


def test_down_says_how_to_find_a_service_that_it_does_not_know(
    bifocal: Bifocal, tmp_path: Path
) -> None:
    state = written(tmp_path, supervisor="unknown")
    state.lock()
    done = bifocal("down")
    state.unlock()
    assert done.code == 1
    assert f"end the one that holds {state.path}/lock" in done.err
