"""The fork server as Python has it, without vLLM: who is forked, with what, and until when."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from serving.pools.forkserver import wanted

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"VLLM_CPU_OMP_THREADS_BIND": "nobind"}, True),
        ({"VLLM_CPU_OMP_THREADS_BIND": "nobind", "BIFOCAL_FORK_SERVER": "0"}, False),
        ({"VLLM_CPU_OMP_THREADS_BIND": "0-3"}, False),
        ({}, False),
    ],
    ids=["threads are free", "turned off", "bound threads", "nothing said"],
)
def test_only_where_threads_are_bound_to_no_core(env: dict[str, str], found: bool) -> None:
    assert wanted(env) is found


@pytest.fixture
def script(tmp_path: Path) -> Start:
    """Runs text as a program beside `preloaded_here`, which counts how often it is imported and
    stands in the place of the module that imports vLLM."""
    (tmp_path / "preloaded_here.py").write_text(
        "from serving.pools import forkserver\nprint('imported', flush=True)\n"
        "forkserver.use_within()\n"
    )
    (tmp_path / "family.py").write_text(
        textwrap.dedent("""
            import os, sys, time
            from serving.pools import forkserver

            def grandchild(): print("grandchild", os.environ["SAID"], os.getpid(), flush=True)

            def child():
                print("child", os.environ["SAID"], "preloaded_here" in sys.modules, flush=True)
                process = forkserver.CONTEXT.Process(target=grandchild, daemon=True)
                process.start()
                process.join()
                print("ended", process.exitcode, flush=True)

            def lingering():
                print(os.getpid(), os.getppid(), flush=True)
                time.sleep(60)
        """)
    )

    def start(text: str) -> "subprocess.Popen[str]":
        (tmp_path / "main.py").write_text(
            "import os, signal\nfrom serving.pools import forkserver\nimport family\n"
            "if __name__ == '__main__':\n    forkserver.PRELOADED = 'preloaded_here'\n"
            "    forkserver.begin()\n" + textwrap.indent(textwrap.dedent(text), "    ")
        )
        return subprocess.Popen(
            [sys.executable, "main.py"],
            cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip

    return start


@pytest.mark.process
def test_children_and_theirs_are_forked_from_one_server_with_their_parents_environment(
    script: Start,
) -> None:
    program = script("""
        os.environ["SAID"] = "late"
        process = forkserver.CONTEXT.Process(target=family.child)
        process.start()
        process.join()
    """)
    said, _ = program.communicate(timeout=30)
    first, second, third, last = said.splitlines()
    assert (first, second, last) == ("imported", "child late True", "ended 0")
    assert third.startswith("grandchild late")


@pytest.mark.process
def test_nobody_outlives_a_parent_that_was_killed(script: Start) -> None:
    program = script("""
        process = forkserver.CONTEXT.Process(target=family.lingering)
        process.start()
        process.join()
    """)
    assert program.stdout is not None
    assert program.stdout.readline() == "imported\n"
    left = [psutil.Process(int(pid)) for pid in program.stdout.readline().split()]
    began = time.monotonic()
    program.kill()
    program.communicate(timeout=10)
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive, f"{alive} after {time.monotonic() - began:.0f} s"
