"""The other nodes of an engine's workers: whether they are there.

A node without power takes leave of nobody. What was sent to it hangs, the engine waits as long as a
step may take, and Ray as long as it is patient with a node. So while an engine has work and takes
no step its replica knocks at the other nodes, where Ray listens: whoever refuses or says nothing is
gone, and a step that waits for it never ends. Not found so: a network beside Ray's that is cut.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import ray

KNOCK_WITHIN_S: Final = 2.0
"""The system of a node that is merely busy accepts a connection all the same."""


class Node(NamedTuple):
    host: str
    port: int
    """Of Ray's own process there."""


def neighbours() -> tuple[Node, ...]:
    """That hold a part of this replica, or an engine of its gang."""
    group = ray.util.get_current_placement_group()
    if group is None:
        return ()
    table = ray.util.placement_group_table(group)
    here = ray.get_runtime_context().get_node_id()
    return among(ray.nodes(), set(table["bundles_to_node_id"].values()) - {here})


def among(nodes: Iterable[Any], ids: set[str]) -> tuple[Node, ...]:
    """Those of Ray's nodes that have these ids."""
    return tuple(
        Node(each["NodeManagerAddress"], each["NodeManagerPort"])
        for each in nodes
        if each["NodeID"] in ids
    )


async def gone(nodes: Sequence[Node]) -> list[str]:
    """Where nobody opens."""
    opened = await asyncio.gather(*map(_opens, nodes))
    return [node.host for node, opens in zip(nodes, opened, strict=True) if not opens]


async def _opens(node: Node) -> bool:
    try:
        async with asyncio.timeout(KNOCK_WITHIN_S):
            _, writer = await asyncio.open_connection(node.host, node.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
