"""The page of listeners."""

import pytest

from deploy.local.listeners import Listener
from deploy.local.listening import line_of, name_of, page


@pytest.mark.parametrize(
    ("process", "name"),
    [
        ("ray::ServeReplica:pocket-moe:engine.start", "ray::ServeReplica:pocket-moe:engine.start"),
        ("/opt/x/bin/python -m deploy.cli gateway --config /a/b", "deploy.cli gateway"),
        ("/opt/x/bin/python -u /lib/ray/dashboard/agent.py --port=1", "agent.py"),
        ("/lib/ray/core/src/ray/gcs/gcs_server --log_dir=/tmp/x", "gcs_server"),
        ("VLLM::EngineCore", "VLLM::EngineCore"),
    ],
)
def test_a_process_is_named_without_its_paths(process: str, name: str) -> None:
    assert name_of(process) == name


def test_like_listeners_are_one_row_and_a_wide_one_tells_why() -> None:
    found = [
        Listener("/x/raylet --a", 1, "127.0.0.1", 1),
        Listener("/x/raylet --a", 1, "127.0.0.1", 2),
        Listener("ray::ServeReplica:pocket-moe:engine", 2, "0.0.0.0", 3),
    ]
    told = page(found, gateway_port=8000)
    assert "| raylet | loopback | 2 |  |" in told
    assert "| ray::ServeReplica:pocket-moe:engine | every address | 1 | Ray Serve's" in told


@pytest.mark.parametrize(
    ("process", "port", "why"),
    [
        ("ray::ServeReplica:pocket-dense:engine", 41000, "Ray Serve's"),
        ("/opt/x/bin/python -m deploy.cli gateway --config /a/b", 8000, "gateway.host"),
        ("/lib/ray/core/src/ray/gcs/gcs_server --log_dir=/tmp/x", 41000, "no known reason"),
    ],
)
def test_up_has_a_short_line_for_one_with_its_reason(process: str, port: int, why: str) -> None:
    told = line_of(Listener(process, 1, "::", port), gateway_port=8000)
    assert f":: port {port}" in told
    assert why in told
    assert len(told) <= 100
