"""Children that do not end by themselves."""

import subprocess
import sys

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


def test_a_stopped_grandchild_is_ended_too() -> None:
    told = subprocess.run(
        [sys.executable, "-c", STOPPED_GRANDCHILD],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.stdout == "none left\n", told.stderr
