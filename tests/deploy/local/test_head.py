"""The command line and the environment of our own Ray head."""

import dataclasses
from pathlib import Path

import pytest

from deploy.local.head import Ports, command, environment

PORTS = Ports(*range(2001, 2011))
TEMP = Path("/t")


def options() -> dict[str, str]:
    pairs = (part.removeprefix("--").split("=") for part in command(PORTS, temp_dir=TEMP, cpus=4))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def test_every_port_is_ours() -> None:
    named = {int(value) for key, value in options().items() if key.endswith("port")}
    # Workers take ports of the system's choice (0), and Serve binds its proxy's itself.
    assert named - {0} == set(dataclasses.astuple(PORTS)) - {PORTS.proxy}


@pytest.mark.parametrize("option", ["node-ip-address", "dashboard-host"])
def test_it_listens_on_loopback(option: str) -> None:
    assert options()[option] == "127.0.0.1"


def test_ports_are_chosen_free_and_different() -> None:
    chosen = dataclasses.astuple(Ports.choose())
    assert len(set(chosen)) == len(chosen) == 10


def test_another_cluster_in_the_environment_is_left_alone() -> None:
    found = environment(
        {"RAY_ADDRESS": "10.0.0.1:6379", "HOME": "/h"}, pool_token="p", ray_token_file=TEMP
    )
    assert "RAY_ADDRESS" not in found
    assert found["HOME"] == "/h"


def test_replicas_answer_themselves_and_ray_asks_for_a_token() -> None:
    found = environment({}, pool_token="p", ray_token_file=Path("/s/ray-token"))
    assert (found["RAY_SERVE_ENABLE_DIRECT_INGRESS"], found["RAY_SERVE_ENABLE_HA_PROXY"]) == (
        "1",
        "0",
    )
    assert (found["RAY_AUTH_MODE"], found["RAY_AUTH_TOKEN_PATH"]) == ("token", "/s/ray-token")
    assert found["BIFOCAL_POOL_TOKEN"] == "p"
    assert found["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_replica_that_is_given_up_is_killed() -> None:
    found = environment({}, pool_token="p", ray_token_file=TEMP)
    assert found["RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS"] == "1"
