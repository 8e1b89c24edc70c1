"""What a replica's page tells of its start."""

import subprocess
import sys
from pathlib import Path

import pytest

from serving.pools.started import METRIC, lines

LOG = """
bifocal start: 10.000 process
INFO vLLM says something
bifocal start: 16.000 imports
(EngineCore pid=7) bifocal start: 17.400 engine core
bifocal start: 17.900 weights
bifocal start: 18.000 server
"""


def values(page: bytes) -> dict[str, float]:
    rows = [line for line in page.decode().splitlines() if not line.startswith("#")]
    return {row.split('"')[1]: float(row.split()[-1]) for row in rows}


def test_the_steps_follow_the_process() -> None:
    page = lines(LOG)
    assert page.startswith(f"# HELP {METRIC} ".encode())
    assert page.endswith(b"\n")
    found = values(page)
    assert found["imports"] == 6
    assert found["workers, weights"] == 0.5
    assert sum(found.values()) == 8


def test_a_log_without_a_start_tells_nothing() -> None:
    assert lines("INFO vLLM says something\n") == b""


@pytest.mark.process
def test_a_process_reads_what_it_has_said_where_ray_keeps_it(tmp_path: Path) -> None:
    say = "import sys; from serving.pools.started import own_log; sys.stderr.write('one\\n')"
    line = [sys.executable, "-c", f"{say}; sys.stderr.flush(); print(own_log(), end='')"]
    with (tmp_path / "worker.err").open("wb") as err:
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=err, check=True)
    assert done.stdout == b"one\n"
    # What it says later goes on where it was.
    assert (tmp_path / "worker.err").read_bytes() == b"one\n"


@pytest.mark.process
def test_elsewhere_nothing_is_read() -> None:
    line = [sys.executable, "-c", "from serving.pools.started import own_log; print([own_log()])"]
    done = subprocess.run(line, capture_output=True, check=True)
    assert done.stdout == b"['']\n"
