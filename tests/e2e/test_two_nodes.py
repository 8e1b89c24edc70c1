"""One replica on two nodes that nothing but networks joins: it answers as a whole engine does, is
taken out when one of them dies, and comes back as one. The doctor tries the nodes before."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from ops.chaos.faults import NODES_KILLED, Fault, Role
from ops.chaos.tally import Losses
from tests.e2e.across_nodes import REPLICA_KILLED
from tests.e2e.identity import Identity, whole
from tests.e2e.nodes import RANKS, why_not
from tests.e2e.pool_on_nodes import Served, served
from tests.e2e.two_nodes import TwoNodes, two_nodes

NO_NODES = why_not()
pytestmark = [
    pytest.mark.engine,
    pytest.mark.long,
    pytest.mark.timeout(420),
    pytest.mark.skipif(NO_NODES is not None, reason=f"no nodes here: {NO_NODES}"),
]


GONE_S = 30.0
"""A node that is gone says so to nobody. Serve looks every five seconds, twice until it has seen
that no step is taken, the gateway every second, and the machine may be busy."""
NODES = [fault for fault in NODES_KILLED if fault.role is not Role.HEAD_NODE]
(HEAD,) = (fault for fault in NODES_KILLED if fault.role is Role.HEAD_NODE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with two_nodes() as found:
        yield found


@pytest.fixture(scope="module")
def pool(cluster: TwoNodes) -> Iterator[Served]:
    with served(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def identity() -> Identity:
    return whole()


def test_the_doctor_lets_the_ranks_of_a_pool_that_is_to_come_sum(cluster: TwoNodes) -> None:
    told = cluster.examined()
    assert (told.code, told.of("fail")) == (0, [])
    assert {each["node"] for each in told.findings} == {"head", "node-1", "node-2", None}
    (reduced,) = told.all_reduce
    assert (reduced["backend"], reduced["beside"]) == ("gloo", False)
    assert {each["node"] for each in reduced["ranks"]} == {"node-1", "node-2"}
    assert [each["stage"] for each in reduced["ranks"]] == ["summed", "summed"]
    assert [each["bytes"] for each in reduced["times"]] == [8, 1 << 20, 64 << 20]


def test_the_doctor_names_a_rank_that_is_cut_off(cluster: TwoNodes) -> None:
    _, second = cluster.nodes
    with cluster.cut_off(second):
        told = cluster.examined("--limit", "15")
    (wrong,) = told.of("fail")
    (cut,) = (each for each in told.all_reduce[0]["ranks"] if each["node"] == "node-2")
    address = cluster.switch.address(RANKS, 2)
    assert told.code == 1
    assert f"rank {cut['rank']} on node-2 ({RANKS}, {address}, down" in wrong["seen"]
    assert "of node-2:" in wrong["remedy"]
    assert [each["stage"] for each in told.all_reduce[0]["ranks"]] == ["met", "placed"]


def test_each_node_has_a_rank_and_shares_nothing_with_the_other(pool: Served) -> None:
    (one,), (other,) = pool.ranks()
    assert one.pid != other.pid
    for kind in ("net", "mnt", "ipc", "uts", "pid"):
        paths = (f"/proc/{each.pid}/ns/{kind}" for each in (one, other))
        assert len(set(map(os.readlink, paths))) == 2, kind
    memory = {os.stat(f"/proc/{each.pid}/root" + "/dev/shm").st_dev for each in (one, other)}
    assert len(memory) == 2
    assert len(pool.targets()) == 1


async def test_in_float32_every_token_is_the_same_over_two_nodes(
    pool: Served, identity: Identity
) -> None:
    assert identity.different == len(identity.prompts) >= 50
    before = [node.bytes_sent(RANKS) for node in pool.on.nodes]
    assert await pool.answers(identity.prompts) == identity.whole.text
    sent = [node.bytes_sent(RANKS) - was for node, was in zip(pool.on.nodes, before, strict=True)]
    # The first stage sends what it made of each token, by the network that the file names.
    assert max(sent) > 1_000_000


def test_the_doctor_tries_the_network_beside_a_pool_that_runs(pool: Served) -> None:
    told = pool.on.examined()
    assert told.code == 0, told.findings
    assert told.all_reduce[0]["beside"]
    assert [each["stage"] for each in told.all_reduce[0]["ranks"]] == ["summed", "summed"]


@pytest.mark.parametrize("fault", NODES, ids=[fault.name for fault in NODES])
async def test_a_replica_whose_node_dies_comes_back_as_one(
    pool: Served, identity: Identity, fault: Fault
) -> None:
    found = await asyncio.to_thread(pool.lose, fault)
    assert found.victim.bad == 0, found
    assert found.out_of_routing_s is not None
    assert found.out_of_routing_s < GONE_S
    assert found.restored_s is not None
    assert [len(ranks) for ranks in pool.ranks()] == [1, 1]
    few = identity.prompts[:8]
    assert await pool.answers(few) == identity.whole.text[:8]


def test_the_loss_of_the_head_costs_no_request_and_it_comes_back_to_what_it_had(
    pool: Served,
) -> None:
    (before,) = pool.replicas()
    found = pool.lose(HEAD)
    assert found.victim.whole > 0
    assert found.victim == Losses(found.victim.whole, 0, 0, 0, 0), found
    (after,) = pool.replicas()
    assert after.pid == before.pid
    assert len(pool.targets()) == 1


def test_a_head_that_has_come_back_heals_what_it_finds(pool: Served) -> None:
    found = pool.hit_replica(REPLICA_KILLED)
    assert found.victim.bad == 0, found
    assert found.restored_s is not None
