"""What `bifocal doctor` says where nothing runs."""

import json
from pathlib import Path

import pytest

from deploy.local.head import Ports
from deploy.local.ports import free_ports
from deploy.local.processes import ProcessId
from deploy.local.state import Running, StateFolder

CUT = """
gpus: {cpu: {kind: cpu, perNode: 2}}
models: {pocket-moe: {"on": cpu, layout: {tensor: 2}}}
gateway: {port: 0}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (path := tmp_path / "bifocal.yaml").write_text(CUT)
    return str(path)


def test_a_machine_is_checked_without_a_cluster(bifocal, config):
    done = bifocal("doctor", "--json", "--config", config)
    told = json.loads(done.out)
    assert done.code == (0 if told["ok"] else 1)  # the machine may be unfit
    checks = [each["check"] for each in told["findings"]]
    assert {"python", "memory", "shared memory", "disk", "open files", "port"} <= set(checks)
    (cluster,) = (each for each in told["findings"] if each["check"] == "cluster")
    assert cluster["verdict"] == "warn"
    assert "ranks of pocket-moe are not tried" in cluster["seen"]
    assert told["all_reduce"] == []


def test_a_service_that_runs_here_is_checked_by_its_own_file(bifocal, config, tmp_path):
    port = free_ports(1)[0]
    state = StateFolder(tmp_path / "state")
    state.write(state.cluster_file, CUT.replace("port: 0", f"port: {port}"))
    url = f"http://127.0.0.1:{port}"
    state.save(Running(ProcessId(1, 1.0), "ready", url, "", Ports(*free_ports(10)), "/t"))
    state.lock()
    try:
        told = json.loads(bifocal("doctor", "--json").out)
    finally:
        state.unlock()
    (found,) = (each for each in told["findings"] if each["check"] == "port")
    assert str(port) in found["seen"]


def test_people_get_a_line_a_check(bifocal, config):
    lines = bifocal("doctor", "--config", config).out.splitlines()
    assert any(line.startswith("ok    python") for line in lines)
    assert any("bifocal up" in line for line in lines)


def test_a_cluster_that_is_named_and_does_not_answer_fails(bifocal, config):
    address = f"127.0.0.1:{free_ports(1)[0]}"
    done = bifocal("doctor", "--config", config, "--ray-address", address)
    assert done.code == 1
    assert f"{address} cannot be reached" in done.out


@pytest.mark.parametrize("address", ["ray-head", "http://ray-head:8265", "[::1]"])
def test_what_is_no_address_is_bad_input(bifocal, config, address):
    done = bifocal("doctor", "--config", config, "--ray-address", address)
    assert done.code == 2
    assert "allowed: HOST:PORT" in done.err


def test_a_wrong_file_is_bad_input(bifocal, tmp_path):
    (path := tmp_path / "bifocal.yaml").write_text("gpus: 1")
    assert bifocal("doctor", "--config", str(path)).code == 2
