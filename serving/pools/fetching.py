"""A replica's weights, brought to each of its nodes before its engine starts.

Each node fetches for itself and keeps what it has; the fetcher sees to it that of several replicas
on a node one does. A node that cannot for now (a hub out of reach, a full disk) is asked again and
again, and the replica says so meanwhile: it comes up by itself once that has mended.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from serving.pools.start import note
from serving.pools.weights import Fetcher, NotNow, NoWeights, Wanted

AGAIN_AFTER_S: Final = 20.0
"""After the fetcher's own patience has ended."""


async def fetched(wanted: Wanted, fetcher: Fetcher, others: Sequence[str]) -> str:
    """The folder, the same here and on the other nodes. Raises NoWeights."""
    while True:
        try:
            return await _everywhere(await fetcher.pinned(wanted), fetcher, others)
        except NotNow as error:
            note(f"{error}\ntrying again", held=True)
        await asyncio.sleep(AGAIN_AFTER_S)


async def _everywhere(wanted: Wanted, fetcher: Fetcher, others: Sequence[str]) -> str:
    """All that began is waited for, so that no node is asked twice at once."""
    everyone = [_here(fetcher, wanted, len(others)), *(_ask(n, fetcher, wanted) for n in others)]
    found = await asyncio.gather(*everyone, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise _cause(each)
    folders = sorted(set(map(str, found)))
    if len(folders) > 1:
        what = f"the nodes of one replica keep its weights in different folders: {folders}"
        raise NoWeights(f"{what}; set weights.folder to one that all of them have")
    return folders[0]


async def _here(fetcher: Fetcher, wanted: Wanted, others: int) -> str:
    folder = await fetcher.fetched(wanted, note)
    if others:
        note(f"here they are; waiting for {others} other node(s) of this replica")
    return folder


def other_nodes() -> list[str]:
    """That hold a part of this replica, by Ray's ids."""
    group = ray.util.get_current_placement_group()
    if group is None:
        return []
    bundles = ray.util.placement_group_table(group)["bundles_to_node_id"]
    return sorted(set(bundles.values()) - {ray.get_runtime_context().get_node_id()})


async def _ask(node: str, fetcher: Fetcher, wanted: Wanted) -> str:
    here = NodeAffinitySchedulingStrategy(node, soft=False)
    folder: Any = await _fetched_there.options(scheduling_strategy=here).remote(fetcher, wanted)
    return str(folder)


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator]
def _fetched_there(fetcher: Fetcher, wanted: Wanted) -> str:
    try:
        return asyncio.run(fetcher.fetched(wanted, note))
    except NoWeights as error:
        where = ray.util.get_node_ip_address()
        raise type(error)(f"node {where}: {error}") from None


def _cause(error: BaseException) -> BaseException:
    """What was raised on another node, without Ray's account of the way."""
    found: BaseException = getattr(error, "cause", error)
    return found
