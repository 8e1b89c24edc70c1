"""Something that is done to a release under load, and what it cost whom."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ops.chaos.clients import Call, Clients, Ending
from ops.chaos.tally import Losses, losses
from tests.install.started.cluster import Cluster
from tests.install.started.sdk import AGAIN, SdkClients

EDGE_S: Final = 4.0
"""Of load before and after."""
CLIENTS: Final = 4
"""Of the pool that is meant; of the other one, one."""
POOLS: Final = ("pocket-dense", "pocket-moe")


@dataclass(frozen=True, slots=True)
class Trial:
    """Requests are those of all clients, from the first second to the last."""

    took_s: float
    """What was done, without the edges."""
    seconds: float
    """Of load."""
    losses: Losses
    told: dict[str, int]
    """Instead of an answer."""
    longest_s: float
    """The slowest whole answer."""
    again: int
    """Whole answers for which the client's own library asked more than once."""


class Load(Protocol):
    calls: list[Call]

    async def run(self) -> None: ...

    def enough(self) -> None: ...


Made = Callable[[str, str, str, int], Load]
"""Of a URL, a key, a pool and how many clients."""


def bare(url: str, key: str, pool: str, count: int) -> Load:
    """Streams of clients that ask once and take what comes."""
    return Clients(url, {"authorization": f"Bearer {key}"}, pool, count)


def sdk_streams(url: str, key: str, pool: str, count: int) -> Load:
    return SdkClients(url, key, pool, count, stream=True)


def sdk_whole(url: str, key: str, pool: str, count: int) -> Load:
    return SdkClients(url, key, pool, count, stream=False)


def under_load(of: Cluster, act: Callable[[], object], made: Made = bare) -> Trial:
    """`act` returns once it is done."""
    loads = [made(of.url, of.key(), name, CLIENTS if name == POOLS[0] else 1) for name in POOLS]
    began = time.monotonic()

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for load in loads:
                group.create_task(load.run())

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(all_of_them(),), name="load")
    thread.start()
    try:
        time.sleep(EDGE_S)
        acted = time.monotonic()
        act()
        took = time.monotonic() - acted
        time.sleep(EDGE_S)
    finally:
        for load in loads:
            loop.call_soon_threadsafe(load.enough)
        thread.join()
        loop.close()
    calls = [call for load in loads for call in load.calls]
    return _trial(took, time.monotonic() - began, calls)


def _trial(took: float, seconds: float, calls: list[Call]) -> Trial:
    bad = [call for call in calls if call.ending is not Ending.WHOLE]
    whole = [call.ended - call.began for call in calls if call.ending is Ending.WHOLE]
    told = dict(Counter(f"{call.ending}: {call.told}" for call in bad))
    again = sum(call.told.startswith(AGAIN) for call in calls)
    return Trial(took, seconds, losses(calls), told, max(whole, default=0.0), again)
