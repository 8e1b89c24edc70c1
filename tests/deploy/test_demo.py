import socket
from pathlib import Path

import pytest

from deploy.config import load
from deploy.demo import SHOWS, config_for
from serving.config import GatewaySpec
from serving.routing import Family, choose, facts_of
from serving.values import Mode


def test_a_free_port_needs_no_file_of_its_own(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = GatewaySpec(port=probe.getsockname()[1])
    assert config_for(free, tmp_path) == []


def test_a_taken_port_gives_the_pocket_cluster_on_a_free_one(tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        option, file = config_for(GatewaySpec(port=other.getsockname()[1]), tmp_path)
    assert option == "--config"
    cluster = load(Path(file))
    assert cluster.gateway.port == 0
    assert cluster.models == load().models
    assert "is taken" in capsys.readouterr().out


def test_a_taken_port_of_ipv6_is_seen_too(tmp_path):
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        other.listen()
        assert config_for(GatewaySpec(host="::1", port=other.getsockname()[1]), tmp_path)


@pytest.mark.parametrize(
    ("show", "mode"), [(SHOWS[0], Mode.PLAIN), (SHOWS[1], Mode.THINKING)], ids=["easy", "hard"]
)
def test_one_question_is_answered_at_once_and_one_is_thought_through(show, mode):
    facts = facts_of(show.model, [{"role": "user", "content": show.question}])
    assert choose(facts, Family.of(load().served)).mode is mode
