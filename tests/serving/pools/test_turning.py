"""How a process of an engine waits for the next step, as vLLM has it and as it is repaired."""

import json
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from serving.pools import turning

VLLM = """
import importlib, json, time
from serving.pools import turning

module = importlib.import_module(turning.MODULE)
reader = object.__new__(module.SpinCondition)
reader.is_reader, reader.busy_loop_s = True, 1.0

def seconds_of_waits():
    reader.record_read()
    for _ in range(200):
        reader.wait()
        assert not reader.last_read + reader.busy_loop_s < time.monotonic()
    return time.monotonic() - reader.last_read
turned = seconds_of_waits()
turning.repair(module)
turning.repair(module)
print(json.dumps([turned, seconds_of_waits()]))
"""


class Reader:
    """As much of vLLM's as is used."""

    def __init__(self, read_s_ago: float) -> None:
        self.last_read = time.monotonic() - read_s_ago
        self.busy_loop_s = 1.0
        self.slept: list[int | None] = []

    def wait(self, timeout_ms: int | None = None) -> None:
        self.slept.append(timeout_ms)


@pytest.mark.parametrize(("read_s_ago", "slept"), [(0.0, []), (1.5, [7])])
def test_only_who_has_read_lately_naps(read_s_ago: float, slept: list[int]) -> None:
    kind: Any = type("SpinCondition", (Reader,), {"wait": Reader.wait})
    turning.repair(SimpleNamespace(SpinCondition=kind))  # type: ignore[arg-type]
    reader = kind(read_s_ago)
    reader.wait(timeout_ms=7)
    assert reader.slept == slept


def test_another_version_without_the_class_is_left_alone() -> None:
    turning.repair(SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.process
def test_vllm_turns_on_the_spot_and_the_repair_naps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", VLLM], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    turned_s, napped_s = json.loads(done.stdout.splitlines()[-1])
    assert turned_s < napped_s
    assert napped_s >= 200 * turning.NAP_S
