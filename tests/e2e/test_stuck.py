"""A stuck engine or replica under load: found, left out, given up, replaced, and nothing lost."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.chaos import VICTIM, Finder
from deploy.local.state import StateFolder
from ops.chaos.faults import FAULTS, Fault, Role
from ops.chaos.tally import row
from ops.chaos.trial import Place, run
from tests.e2e.conftest import cluster_file, running

pytestmark = pytest.mark.engine

STUCK_AFTER_S = 8.0
FOUND_WITHIN_S = STUCK_AFTER_S + 15.0
"""Serve looks every five seconds, the gateway every second, and the machine may be busy."""
MUTE_WITHIN_S = 15.0
"""A replica that says nothing is asked after three seconds, and has two to answer."""
STUCK = [fault for fault in FAULTS if fault.name.endswith("-stuck")]


def impatient(folder: Path) -> Path:
    """One pool, in a cluster of its own: the steps of other tests may take longer."""
    file = cluster_file(folder)
    cluster = yaml.safe_load(file.read_text())
    pool = cluster["models"][VICTIM] | {"stuckAfter": f"{STUCK_AFTER_S:g}s"}
    file.write_text(yaml.safe_dump(cluster | {"models": {VICTIM: pool}}))
    return file


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with running(impatient) as service:
        find = Finder(StateFolder(service.state)).find
        yield Place(service.url, {}, VICTIM, others=(), replicas=1, find=find)


@pytest.mark.parametrize("fault", STUCK, ids=[fault.name for fault in STUCK])
def test_what_is_stuck_is_replaced_and_no_request_is_lost(place: Place, fault: Fault) -> None:
    found = row(asyncio.run(run(place, fault, clients=2)), VICTIM, replicas=1)
    assert found.victim.bad == 0, found
    assert found.victim.error_events > 0, found
    assert found.out_of_routing_s is not None
    is_mute = fault.role is Role.REPLICA
    soonest, latest = (0, MUTE_WITHIN_S) if is_mute else (STUCK_AFTER_S - 2, FOUND_WITHIN_S)
    assert soonest < found.out_of_routing_s < latest
    assert found.restored_s is not None
    assert found.answers_again_s is not None
    assert not found.left
