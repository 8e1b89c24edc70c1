"""Whether nodes are there, by real ports of this machine."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from serving.pools.neighbours import KNOCK_WITHIN_S, Node, among, gone

HERE = "127.0.0.1"


@pytest.fixture
def busy() -> Iterator[Node]:
    """Its system accepts, and nobody there has the time to."""
    with socket.create_server((HERE, 0)) as server:
        yield Node(HERE, server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[Node]:
    """Nothing is answered, as by a node without power: the queue of its port is full."""
    with socket.create_server((HERE, 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((HERE, port))
        yield Node(HERE, port)
        for each in waiting:
            each.close()


def closed() -> Node:
    with socket.create_server((HERE, 0)) as server:
        return Node(HERE, server.getsockname()[1])


async def test_a_node_that_is_busy_is_there(busy: Node) -> None:
    assert await gone([busy]) == []


async def test_one_that_refuses_is_gone(busy: Node) -> None:
    refusing = closed()._replace(host="localhost")
    assert await gone([busy, refusing]) == ["localhost"]


async def test_one_that_says_nothing_is_gone_in_time(busy: Node, silent: Node) -> None:
    began = time.monotonic()
    found = await asyncio.gather(gone([busy]), gone([silent, silent]))
    assert found == [[], [HERE, HERE]]
    assert time.monotonic() - began < KNOCK_WITHIN_S + 1


async def test_nobody_is_asked_of_a_replica_on_one_node() -> None:
    assert await gone([]) == []


def test_only_the_nodes_of_the_replica_are_its_neighbours() -> None:
    nodes = [
        {"NodeID": name, "NodeManagerAddress": f"10.0.0.{n}", "NodeManagerPort": 7000 + n}
        for n, name in enumerate("abc")
    ]
    assert among(nodes, {"c", "b"}) == (Node("10.0.0.1", 7001), Node("10.0.0.2", 7002))
