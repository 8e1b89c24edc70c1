"""Whether a machine is fit, row by row."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.machine import Machine, Needs, Port, Space, differences, of_machine, of_port
from serving.sizes import GIB

FIT = Machine(
    name="node-1",
    python="3.11.9",
    versions={"ray": "2.60.0", "vllm": "0.29.0"},
    memory_total=64 * GIB,
    memory_free=32 * GIB,
    shared_memory=Space("/dev/shm", 16 * GIB, 16 * GIB),
    disks=(Space("/tmp", 100 * GIB, 50 * GIB),),
    open_files=65536,
)


def finding(check: str, machine: Machine, **needs: Any) -> Finding:
    (found,) = (each for each in of_machine(machine, Needs(**needs)) if each.check == check)
    return found


def test_a_fit_machine_passes_every_check() -> None:
    found = list(of_machine(FIT, Needs(memory_gib=8.0, ranks=8)))
    assert {each.verdict for each in found} == {Verdict.OK}
    assert {each.node for each in found} == {"node-1"}
    assert not any(each.remedy for each in found)


def test_gpus_are_looked_for_where_a_model_wants_them() -> None:
    without = replace(FIT, no_gpu="no /dev/nvidia*")
    assert {each.verdict for each in of_machine(without, Needs())} == {Verdict.OK}
    found = finding("gpus", without, gpus_for=("qwen3-8b",))
    assert (found.verdict, found.seen) == (
        Verdict.FAIL,
        "none (no /dev/nvidia*); wanted by qwen3-8b",
    )
    assert "`--gpus all`" in str(found.remedy)
    assert finding("gpus", FIT, gpus_for=("qwen3-8b",)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("check", "has", "verdict", "says"),
    [
        pytest.param("python", {"python": "3.12.1"}, "fail", "Python 3.11", id="another Python"),
        pytest.param("memory", {"memory_free": 4 * GIB}, "fail", "fewer models", id="less memory"),
        pytest.param("memory", {"memory_free": 3 * GIB}, "fail", "95%", id="no memory"),
        pytest.param(
            "shared memory",
            {"shared_memory": Space("/dev/shm", 64 * 1024**2, 64 * 1024**2)},
            "fail",
            "--shm-size",
            id="a container's shared memory",
        ),
        pytest.param(
            "shared memory",
            {"shared_memory": Space("/dev/shm", GIB, GIB)},
            "warn",
            "2.1 GiB are needed",
            id="little shared memory",
        ),
        pytest.param(
            "disk", {"disks": (Space("/tmp", 100 * GIB, GIB),)}, "fail", "make room", id="full disk"
        ),
        pytest.param("open files", {"open_files": 256}, "fail", "ulimit", id="very few files"),
        pytest.param("open files", {"open_files": 4096}, "warn", "ulimit", id="few files"),
        pytest.param(
            "ray clusters",
            {"ray_clusters": ("10.0.0.1:6379", "127.0.0.1:20001")},
            "warn",
            "ports of its own",
            id="another cluster",
        ),
    ],
)
def test_what_is_unfit_is_told_with_what_to_do(
    check: str, has: dict[str, Any], verdict: str, says: str
) -> None:
    needs = {"memory_gib": 8.0, "ranks": 8, "own_cluster": "127.0.0.1:20001"}
    found = finding(check, replace(FIT, **has), **needs)
    assert (found.verdict, found.node) == (verdict, "node-1")
    assert says in (found.remedy or "")


def test_any_number_of_files_is_enough() -> None:
    assert finding("open files", replace(FIT, open_files=None)).seen == "any number for a process"


def test_our_own_cluster_is_no_other() -> None:
    ours = replace(FIT, ray_clusters=("127.0.0.1:20001",))
    assert finding("ray clusters", ours, own_cluster="127.0.0.1:20001").verdict is Verdict.OK
    assert "127.0.0.1:20001" in finding("ray clusters", ours).seen


def test_what_runs_already_has_its_memory() -> None:
    assert finding("memory", replace(FIT, memory_free=4 * GIB)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("port", "verdict", "says"),
    [
        pytest.param(Port("127.0.0.1", 8000), "ok", "is free", id="free"),
        pytest.param(Port("127.0.0.1", 0), "ok", "a free one", id="any"),
        pytest.param(Port("::1", 8000, "nginx (process 7)"), "fail", "nginx", id="taken"),
        pytest.param(Port("::1", 8000, "python", ours=True), "ok", "service", id="ours"),
    ],
)
def test_a_port_is_free_or_ours(port: Port, verdict: str, says: str) -> None:
    found = of_port(port)
    assert found.verdict == verdict
    assert says in found.seen


def test_nodes_that_run_other_code_are_named_by_what_they_run() -> None:
    other = replace(FIT, name="node-2", versions={"ray": "2.61.0", "vllm": "0.29.0"})
    third = replace(FIT, name="node-3", versions={"vllm": "0.29.0"})
    (found,) = differences([FIT, other, third])
    assert found.verdict is Verdict.FAIL
    assert found.seen == "ray: 2.60.0 on node-1; 2.61.0 on node-2; none on node-3"


def test_nodes_that_run_the_same_pass_and_one_node_is_like_itself() -> None:
    (found,) = differences([FIT, replace(FIT, name="node-2")])
    assert (found.verdict, found.node) == (Verdict.OK, None)
    assert list(differences([FIT])) == []
