"""Nothing of ours listens beyond loopback but what is named here."""

import psutil
import pytest

from deploy.local.listeners import REPLICA_GRPC, listeners, reason
from tests.e2e.conftest import Service

pytestmark = pytest.mark.engine


def test_only_the_named_listeners_are_wider_than_loopback(service: Service) -> None:
    found = listeners(service.processes)
    assert len(found) > 10
    gateway = int(service.url.rpartition(":")[2])
    unexplained = [
        each for each in found if each.is_wide and reason(each, gateway_port=gateway) is None
    ]
    assert unexplained == []


def test_each_replica_has_one_of_them(service: Service) -> None:
    wide = [each.pid for each in listeners(service.processes) if each.is_wide]
    assert len(wide) == len(set(wide)) <= 2


def test_the_gateway_listens_on_loopback(service: Service) -> None:
    port = int(service.url.rpartition(":")[2])
    hosts = {each.host for each in listeners(service.processes) if each.port == port}
    assert hosts == {"127.0.0.1"}


def test_up_has_listed_them_with_the_reason(service: Service) -> None:
    wide = [each for each in listeners(service.processes) if each.is_wide]
    told = (service.state / "logs" / "up.log").read_text()
    assert told.count(REPLICA_GRPC) == len(wide) > 0
    for each in wide:
        # A replica that was replaced since has another port.
        if psutil.Process(each.pid).create_time() < service.ready_at:
            assert f"{each.host} port {each.port}" in told
