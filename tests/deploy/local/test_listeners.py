"""Who listens beyond loopback, and why."""

import os
import socket

import psutil
import pytest

from deploy.local.listeners import GATEWAY, REPLICA_GRPC, Listener, listeners, reason


@pytest.mark.parametrize(
    ("host", "wide"),
    [
        ("127.0.0.1", False),
        ("127.0.0.53", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.0.2.2", True),
        ("::ffff:192.0.2.2", True),
    ],
)
def test_an_address_is_wide_if_others_can_reach_it(host: str, wide: bool) -> None:
    assert Listener("x", 1, host, 80).is_wide is wide


@pytest.mark.parametrize(
    ("process", "port", "why"),
    [
        ("ray::ServeReplica:pocket-moe:engine", 41000, REPLICA_GRPC),
        ("python -m deploy.cli gateway", 8000, GATEWAY),
        ("gcs_server", 6379, None),
        ("ray::DashboardAgent", 52365, None),
    ],
)
def test_only_the_known_ones_have_a_reason(process: str, port: int, why: str | None) -> None:
    assert reason(Listener(process, 1, "::", port), gateway_port=8000) == why


def test_our_own_listener_is_found() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = listeners([psutil.Process(os.getpid())])
    assert [(each.host, each.pid) for each in found if each.port == port] == [
        ("127.0.0.1", os.getpid())
    ]
