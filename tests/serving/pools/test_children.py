"""Children that do not end by themselves."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from serving.pools.children import OWNER
from tests.e2e.conftest import until

pytestmark = pytest.mark.process

STOPPED_GRANDCHILD = """
import os, signal, subprocess, sys, psutil
from serving.pools.children import kill_children

stop = "import os, signal; print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stop!r}])"
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
grandchild = psutil.Process(int(process.stdout.readline()))
kill_children()
process.wait()
grandchild.wait(10)
print("none left")
"""
REPLICA = """
import subprocess, sys, time
from serving.pools.children import own

own()
stop = "import os, signal; print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
subprocess.run([sys.executable, "-c", stop])
"""
SUCCESSOR = "from serving.pools.children import end_orphans; print(*end_orphans())"


def test_a_stopped_grandchild_is_ended_too() -> None:
    told = subprocess.run(
        [sys.executable, "-c", STOPPED_GRANDCHILD],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.stdout == "none left\n", told.stderr


@contextmanager
def replica() -> Iterator[tuple["subprocess.Popen[str]", psutil.Process]]:
    """And its engine, which is stopped."""
    command = [sys.executable, "-c", REPLICA]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        engine = psutil.Process(int(process.stdout.readline()))
        try:
            until(lambda: engine.status() == psutil.STATUS_STOPPED, what="a stopped engine")
            yield process, engine
        finally:
            process.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                engine.kill()


def orphans() -> set[int]:
    """That a replica which starts has ended."""
    told = subprocess.run(
        [sys.executable, "-c", SUCCESSOR],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return {int(pid) for pid in told.stdout.split()}


def test_an_engine_is_ended_once_its_replica_is_gone_and_no_other_process_is() -> None:
    # One test: each end of orphans ends those of the whole machine.
    elsewhere = os.environ | {OWNER: "1 1 pid:[1]"}
    line = [sys.executable, "-c", "input()"]
    with (
        subprocess.Popen(line, stdin=subprocess.PIPE, env=elsewhere) as unseen,
        replica() as (living, its_engine),
        replica() as (killed, orphan),
    ):
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert orphan.status() == psutil.STATUS_STOPPED
        assert orphans() == {orphan.pid}
        orphan.wait(10)
        assert living.poll() is None
        assert its_engine.status() == psutil.STATUS_STOPPED
        # Whose owner cannot be seen from here.
        assert unseen.poll() is None
