"""Which engines of a gang are let finish. `tests/e2e/test_gang.py` has Serve do so."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from serving.pools.gangs import HOOK, REPLACES, let_finish, mend


class State:
    """Of a deployment, as much of it as is mended."""

    def __init__(self) -> None:
        self.stopped: list[tuple[str, bool]] = []

    def _stop_replica(self, replica: Any, graceful_stop: bool = True) -> None:
        self.stopped.append((replica.actor_details.state, graceful_stop))

    def _stop_or_update_outdated_version_replicas(self, *replicas: Any) -> None:
        for replica in replicas:
            self._stop_replica(replica, graceful_stop=False)

    _stop_old_replicas = _stop_or_update_outdated_version_replicas

    def fail(self, replica: Any) -> None:
        self._stop_replica(replica, graceful_stop=False)


def of(state: str) -> Any:
    return SimpleNamespace(actor_details=SimpleNamespace(state=state))


RUNNING, STARTING = of("RUNNING"), of("STARTING")
SERVE = """
import inspect
from ray.serve._private import constants
from ray.serve._private.common import ReplicaState
from ray.serve._private.deployment_state import DeploymentState
from serving.pools.gangs import HOOK, REPLACES, let_finish

for method in REPLACES:
    source = inspect.getsource(getattr(DeploymentState, method))
    assert "graceful_stop=False" in source or "not self._is_gang_deployment" in source, method
let_finish()
parameters = inspect.signature(DeploymentState._stop_replica).parameters
assert list(parameters) == ["self", "replica", "graceful_stop"]
assert ReplicaState.RUNNING == "RUNNING"
assert all(hasattr(constants, variable) for variable in HOOK)
"""


@pytest.fixture
def state() -> State:
    class Mended(State):
        _stop_replica = State._stop_replica
        _stop_or_update_outdated_version_replicas = State._stop_or_update_outdated_version_replicas
        _stop_old_replicas = State._stop_old_replicas

    mend(Mended)
    mend(Mended)
    return Mended()


@pytest.mark.parametrize("method", REPLACES)
def test_one_that_makes_room_finishes_if_it_answers(state: State, method: str) -> None:
    getattr(state, method)(RUNNING, STARTING)
    assert state.stopped == [("RUNNING", True), ("STARTING", False)]


def test_one_that_fails_is_killed_at_once(state: State) -> None:
    state._stop_old_replicas(RUNNING)
    state.fail(RUNNING)
    assert state.stopped[-1] == ("RUNNING", False)


@pytest.mark.process
def test_serve_has_these_methods_and_kills_gangs_by_them() -> None:
    """Once it does so no more, nothing is to be mended."""
    told = subprocess.run(
        [sys.executable, "-c", SERVE], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr


def test_serve_finds_it_by_its_name() -> None:
    (path,) = HOOK.values()
    assert path == f"{let_finish.__module__}.{let_finish.__name__}"
