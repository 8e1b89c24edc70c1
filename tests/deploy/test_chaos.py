"""The service that is hurt, and how its processes are found."""

import multiprocessing
import os
from pathlib import Path

import psutil
import pytest
import yaml

from deploy import chaos
from deploy.chaos import BYSTANDER, VICTIM, Finder, Subject
from deploy.config import load
from deploy.local.state import StateFolder
from ops.bench.processes import NotReady
from ops.chaos.faults import FAULTS, NODES_KILLED, Role


def test_its_cluster_file_is_a_good_one(tmp_path: Path) -> None:
    text = Subject(stuck_after_s=12.5, replicas=2).cluster({"port": 0})
    (file := tmp_path / "cluster.yaml").write_text(yaml.safe_dump(text))
    found = load(file).models
    assert (found[VICTIM].stuck_after, found[VICTIM].replicas) == (12.5, 2)
    assert found[BYSTANDER].replicas == 1


def test_every_role_has_a_fault_and_every_fault_a_name_of_its_own() -> None:
    every = (*FAULTS, *NODES_KILLED)
    assert {fault.role for fault in every} == set(Role)
    assert len({fault.name for fault in every}) == len(every)


def test_a_service_that_has_ended_has_no_processes(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="has ended"):
        Finder(StateFolder(tmp_path / "state")).find(Role.GATEWAY)


def _wait(end: "multiprocessing.synchronize.Event") -> None:
    end.wait(30)


@pytest.mark.process
def test_forked_processes_are_the_core_and_then_the_worker() -> None:
    context = multiprocessing.get_context("forkserver")
    end = context.Event()
    both = [context.Process(target=_wait, args=(end,)) for _ in range(2)]
    for process in both:
        process.start()
    try:
        found = chaos.engine(psutil.Process(os.getpid()))
        assert [process.pid for process in found] == [process.pid for process in both]
    finally:
        end.set()
        for process in both:
            process.join()
