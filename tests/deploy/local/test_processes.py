"""Processes of ours: begun, known again, ended for sure."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.processes import ProcessId, end, reap, session, spawn

PARENT_OF_STUBBORN = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], process_group=0)
print("up", flush=True)
time.sleep(60)
"""


def begun(tmp_path: Path, code: str) -> tuple["subprocess.Popen[bytes]", ProcessId]:
    log = tmp_path / "log"
    with log.open("wb") as stream:
        process = spawn([sys.executable, "-c", code], os.environ, stream)
    leader = ProcessId.of(process.pid)
    assert leader is not None
    deadline = time.monotonic() + 20
    while log.read_text() != "up\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, leader


def test_a_child_that_will_not_go_is_ended_too(tmp_path: Path) -> None:
    process, leader = begun(tmp_path, PARENT_OF_STUBBORN)
    assert len(session(leader)) == 2
    end(leader, grace_s=0.3)
    process.wait()
    assert session(leader) == []


def test_a_child_whose_leader_is_gone_is_still_found(tmp_path: Path) -> None:
    process, leader = begun(tmp_path, PARENT_OF_STUBBORN)
    process.kill()
    process.wait()
    assert not leader.alive
    assert len(session(leader)) == 1
    end(leader, grace_s=0.0)
    assert session(leader) == []


def test_a_process_that_goes_when_asked_is_not_kept_waiting(tmp_path: Path) -> None:
    process, leader = begun(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    began = time.monotonic()
    end(leader, grace_s=30.0)
    process.wait()
    assert time.monotonic() - began < 5


def test_what_no_signal_reaches_is_named_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    process, leader = begun(tmp_path, f"{code}; print('up', flush=True); time.sleep(60)")
    with monkeypatch.context() as unheard:
        unheard.setattr(processes, "_kill", lambda processes: None)
        unheard.setattr(processes, "GONE_WITHIN_S", 0.1)
        end(leader, grace_s=0.0)
        assert reap(process) is None
    assert caplog.messages == [f"process {process.pid} cannot be killed; it is left"]
    end(leader, grace_s=0.0)
    assert reap(process) == -signal.SIGKILL


def test_an_id_that_somebody_else_has_now_is_not_ours() -> None:
    me = ProcessId.of(os.getpid())
    assert me is not None
    assert me.alive
    stranger = ProcessId(me.pid, me.started - 100)
    assert not stranger.alive
    assert session(stranger) == []


def test_what_never_ran_has_no_id() -> None:
    assert ProcessId.of(2**22 + 1) is None


def test_it_dies_with_the_process_that_began_it(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "from deploy.local.processes import spawn\n"
        "log = Path(sys.argv[1]).open('wb')\n"
        "print(spawn(['sleep', '60'], os.environ, log).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
    )
    deadline = time.monotonic() + 10
    while (found := ProcessId.of(int(told.stdout))) and found.alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_sees_only_the_environment_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "ours")
    log = tmp_path / "log"
    with log.open("wb") as stream:
        code = "import os; print(os.environ.get('SOME_SECRET'), os.environ['A'])"
        process = spawn([sys.executable, "-c", code], {"A": "1"}, stream)
    assert process.wait() == 0
    assert log.read_text() == "None 1\n"
