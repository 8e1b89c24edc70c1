"""Which cluster file the router decides by."""

import json
from pathlib import Path

import pytest

from deploy.config import POCKET, load
from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.service import as_file
from deploy.local.state import Running, StateFolder
from deploy.orders import text_of
from serving.gateway.orders import Order
from tests.deploy.cli.conftest import Bifocal

FILE = """
gpus: {cpu: {kind: cpu}}
models: {%s: {on: cpu}}
"""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The file of a service that was started with qwen3-8b and ended."""
    state = StateFolder(tmp_path / "state")
    (tmp_path / "b.yaml").write_text(FILE % "qwen3-8b")
    state.write(state.cluster_file, as_file(load(tmp_path / "b.yaml")))
    state.save(Running(ProcessId(1, 1.0), "ready", "http://[::1]:1", "", Ports(*range(10)), "/t"))
    return state.cluster_file


def test_a_service_that_runs_here_decides_by_its_own_file(bifocal: Bifocal, served: Path) -> None:
    state = StateFolder(served.parent)
    state.lock()
    try:
        said = bifocal("route", "hello").out
        found = json.loads(bifocal("route", "hello", "--json").out)
    finally:
        state.unlock()
    assert "model     qwen3-8b" in said
    assert f"by        {served}, of the service that runs here" in said
    assert (found["model"], found["config"]) == ("qwen3-8b", str(served))


def test_an_operators_orders_hold_as_they_do_in_the_service(bifocal: Bifocal, served: Path) -> None:
    state, pool = StateFolder(served.parent), "pool/qwen3-8b"
    orders = [Order("mode", "deep", 1.0, "ops"), Order(pool, "drained", 1.0, "ops")]
    state.orders_file.write_bytes(text_of(orders))
    state.lock()
    try:
        said = bifocal("route", "hello").out
        found = json.loads(bifocal("route", "hello", "--json").out)
    finally:
        state.unlock()
    assert "reason    forced deep" in said
    assert "but       an operator drains qwen3-8b" in said
    assert (found["reason"], found["drained"]) == ("forced deep", True)
    assert "forced" not in bifocal("route", "hello").out  # it has ended


def test_one_that_has_ended_decides_nothing(bifocal: Bifocal, served: Path) -> None:
    assert "by        the pocket models" in bifocal("route", "hello").out
    assert json.loads(bifocal("route", "hello", "--json").out)["config"] == str(POCKET)


def test_a_file_that_is_given_decides_before_any_other(
    bifocal: Bifocal, served: Path, tmp_path: Path
) -> None:
    (given := tmp_path / "given.yaml").write_text(FILE % "qwen3-4b")
    state = StateFolder(served.parent)
    state.lock()
    try:
        said = bifocal("route", "hello", "--config", str(given)).out
    finally:
        state.unlock()
    assert "model     qwen3-4b" in said
    assert f"by        {given}\n" in said
