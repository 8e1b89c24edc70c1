"""What `apply` says before it touches anything, and when it touches nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.config import load
from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.rollout import alone
from deploy.local.service import as_file
from deploy.local.state import Progress, Running, StateFolder
from tests.deploy.cli.conftest import Bifocal


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFolder]:
    """Of a service that serves the file; its processes are not asked anything here."""
    found = StateFolder(tmp_path / "state")
    found.lock()
    write(tmp_path / "bifocal.yaml")
    found.write(found.cluster_file, as_file(load(tmp_path / "bifocal.yaml")))
    found.write(found.ray_token_file, "token")
    save(found, "ready")
    yield found
    found.unlock()


def save(state: StateFolder, progress: Progress) -> None:
    ports = Ports(*range(1, 11))
    state.save(Running(ProcessId(1, 1.0), progress, "http://[::1]:1", "", ports, "/t", cpus=2))


def write(file: Path, **pool: Any) -> None:
    gpus = {"cpu": {"kind": "cpu", "perNode": 2}}
    models = {"pocket-dense": {"on": "cpu", **pool}}
    file.write_text(yaml.safe_dump({"gpus": gpus, "models": models}))


def apply(bifocal: Bifocal, tmp_path: Path, *options: str) -> Any:
    return bifocal("apply", "--config", str(tmp_path / "bifocal.yaml"), *options)


def test_a_service_does_not_become_the_pocket_models_by_a_forgotten_word(
    bifocal: Bifocal, state: StateFolder
) -> None:
    done = bifocal("apply", "--yes")
    assert (done.code, done.out) == (2, "")
    assert "--config is missing" in done.err
    assert "write `bifocal apply --config bifocal.yaml`" in done.err
    assert not state.applying_file.exists()


def test_where_nothing_runs_that_is_said(bifocal: Bifocal, tmp_path: Path) -> None:
    write(tmp_path / "bifocal.yaml")
    done = apply(bifocal, tmp_path)
    assert done.code == 4
    assert "not running" in done.err


def test_a_service_that_starts_is_left_alone(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    save(state, "starting")
    done = apply(bifocal, tmp_path)
    assert done.code == 4
    assert "starting" in done.err


def test_the_same_file_changes_nothing(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    done = apply(bifocal, tmp_path)
    assert (done.code, done.out) == (0, "the service runs as the file says already\n")
    assert json.loads(apply(bifocal, tmp_path, "--json").out)["same"] is True


def test_what_would_change_is_told_with_its_keys_and_its_cost(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    write(tmp_path / "bifocal.yaml", env={"A": "1"})
    done = apply(bifocal, tmp_path, "--dry-run")
    assert done.code == 0
    assert "pocket-dense: surged: there is room for one more" in done.out
    assert "models.pocket-dense.env.A" in done.out


def test_it_does_not_go_on_where_nobody_can_be_asked(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    write(tmp_path / "bifocal.yaml", env={"A": "1"})
    done = apply(bifocal, tmp_path)
    assert done.code == 2
    assert "add --yes" in done.err
    assert not state.applying_file.exists()


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        pytest.param({"replicas": 3}, "need 3 CPUs, and Ray counts with 2", id="no room"),
        pytest.param({"source": "/nowhere"}, "/nowhere holds no model", id="no weights"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder, pool: dict[str, Any], why: str
) -> None:
    write(tmp_path / "bifocal.yaml", **pool)
    done = apply(bifocal, tmp_path, "--yes")
    assert done.code == 2
    assert why in done.err
    assert not state.applying_file.exists()


def test_while_another_is_at_work_nothing_is_told_of_what_would_change(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    """What runs now is not what will run when it is done."""
    state.write(state.applying_file, "anything")
    with alone(state):
        done = apply(bifocal, tmp_path, "--dry-run")
    assert (done.code, done.out) == (1, "")
    assert "another `bifocal apply` is at work" in done.err


def test_after_an_interruption_everything_is_told_anew(
    bifocal: Bifocal, tmp_path: Path, state: StateFolder
) -> None:
    state.write(state.applying_file, "anything")
    found = json.loads(apply(bifocal, tmp_path, "--dry-run", "--json").out)
    assert (found["same"], [each["name"] for each in found["pools"]]) == (False, ["pocket-dense"])
    assert found["gateway"]
