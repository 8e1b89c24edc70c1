"""A whole run before the mock upstream, with the pass-through in the gateway's place."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ops.bench.bench import Plan, run
from ops.bench.contenders import Cluster, Engine, Front, Product, Room
from ops.bench.processes import LOOPBACK, free_port
from ops.bench.report import as_json
from ops.bench.values import MOCK, MOCK_GATEWAY, MOCK_PASSED

pytestmark = pytest.mark.process


def _no_cluster(folder: Path) -> AbstractContextManager[Cluster]:
    raise AssertionError("a run of mocks starts no cluster")


def product(*command: str) -> Product:
    def before(upstream: str, folder: Path) -> Front:
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        return Front((*command, f"--port={port}"), url, {}, {"UPSTREAM": upstream})

    return Product(Engine("tiny", "", {}, {}), before, _no_cluster)


PASS_THROUGH = (sys.executable, "-m", "uvicorn", "ops.bench.passthrough:application")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr("ops.bench.bench.LOOK_S", 0.1)
    return Room(tmp_path, say=lambda line: None)


def test_a_run_before_the_mock_measures_all_three_and_loses_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.bench.bench.WARM_UP_S", 0.2)
    report = as_json(run(Plan(rounds=1, seconds=1.0, only="mock"), product(*PASS_THROUGH), room))
    assert (report["problems"], report["lost_answers"]) == ([], 0)
    asked = {(row["contender"], row["load"]) for row in report["contenders"]}
    names = (MOCK, MOCK_PASSED, MOCK_GATEWAY)
    assert asked == {(name, load) for name in names for load in ("plain", "events")}
    assert report["mock_plain_over_passthrough"] > 0
    assert report["gateway_over_replica"] is None
    row = next(r for r in report["contenders"] if r["contender"] == MOCK_PASSED)
    assert {"mock", "pass-through", "load generator"} == row["cpu_s_per_1000_tokens"].keys()
    assert report["settings"]["rounds"] == 1


def test_a_gateway_that_does_not_start_is_told_with_its_last_words(room: Room) -> None:
    broken = product(sys.executable, "-c", "raise SystemExit('no keys')")
    report = as_json(run(Plan(rounds=1, seconds=1.0, only="mock"), broken, room))
    assert "no keys" in report["problems"][0]
    assert report["contenders"] == []
