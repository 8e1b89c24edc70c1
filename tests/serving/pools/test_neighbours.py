"""Whether nodes are there, by real ports of this machine."""

import time

from serving.pools.neighbours import KNOCK_WITHIN_S, Node, among, gone
from tests.serving.ports import HERE, busy, closed, silent


async def test_a_node_that_is_busy_is_there() -> None:
    with busy() as port:
        assert await gone([Node(HERE, port)]) == []


async def test_one_that_refuses_is_gone() -> None:
    with busy() as port:
        assert await gone([Node(HERE, port), Node("localhost", closed())]) == ["localhost"]


async def test_one_that_says_nothing_is_gone_in_time() -> None:
    began = time.monotonic()
    with silent() as port:
        assert await gone([Node(HERE, port)] * 2) == [HERE, HERE]
    assert time.monotonic() - began < KNOCK_WITHIN_S + 1


async def test_nobody_is_asked_of_a_replica_on_one_node() -> None:
    assert await gone([]) == []


def test_only_the_nodes_of_the_replica_are_its_neighbours() -> None:
    nodes = [
        {"NodeID": name, "NodeManagerAddress": f"10.0.0.{n}", "NodeManagerPort": 7000 + n}
        for n, name in enumerate("abc")
    ]
    assert among(nodes, {"c", "b"}) == (Node("10.0.0.1", 7001), Node("10.0.0.2", 7002))
