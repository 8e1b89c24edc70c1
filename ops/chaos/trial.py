"""One fault: load, the signal, and load until all is as it was, or for as long as one may wait."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from ops.chaos.clients import Call, Clients, Ending
from ops.chaos.faults import Fault, Role
from ops.chaos.routing import Routing, Sight

BEFORE_S: Final = 4.0
"""Of load that must go well."""
AT_LEAST_S: Final = 10.0
"""After the signal, whatever happens: a fault may take a while to show."""
WELL_FOR_S: Final = 4.0
"""Load that goes well again ends a trial."""
LIMIT_S: Final = 240.0
"""A replica is back after a minute or so, and one whose own process was stuck after two: it is
given up only after 90 s. After this it is not coming back."""


class NoVictim(Exception):
    """There is no process of that role."""


@dataclass(frozen=True, slots=True)
class Place:
    """A running service, as the trials see it."""

    url: str
    headers: Mapping[str, str]
    victim: str
    """The pool of the replica that is hit."""
    others: Sequence[str]
    replicas: int
    """Of the victim's pool."""
    find: Callable[[Role], psutil.Process | None]


@dataclass(frozen=True, slots=True)
class Trial:
    fault: Fault
    at: float
    """When the signal was sent, by the monotonic clock."""
    calls: tuple[Call, ...]
    sights: tuple[Sight, ...]
    left: bool
    """Whether the process is still there at the end, dead or stopped or whole."""


async def run(
    place: Place,
    fault: Fault,
    clients: int,
    limit_s: float = LIMIT_S,
    at_least_s: float | None = None,
) -> Trial:
    """Ends when all is well again, or when so long was waited for it. Raises NoVictim."""
    loads = [
        Clients(place.url, place.headers, place.victim, clients),
        *(Clients(place.url, place.headers, pool, 1) for pool in place.others),
    ]
    routing = Routing(place.url)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(routing.watch())
        for load in loads:
            group.create_task(load.run())
        try:
            await asyncio.sleep(BEFORE_S)
            process, at = _hit(place, fault)
            await asyncio.sleep(AT_LEAST_S if at_least_s is None else at_least_s)
            await _until_well(place, loads, routing, at + limit_s)
        finally:
            watching.cancel()
            for load in loads:
                load.enough()
    calls = tuple(call for load in loads for call in load.calls)
    return Trial(fault, at, calls, tuple(routing.sights), process.is_running())


def _hit(place: Place, fault: Fault) -> tuple[psutil.Process, float]:
    """What was hit, and when. One that ends while it is looked for is not there."""
    try:
        found = place.find(fault.role)
        at = time.monotonic()
        if found is not None:
            found.send_signal(fault.signal)
            return found, at
    except psutil.NoSuchProcess:
        pass
    raise NoVictim(f"{fault.name}: there is no process that is {fault.role}")


async def _until_well(
    place: Place, loads: Sequence[Clients], routing: Routing, deadline: float
) -> None:
    while (now := time.monotonic()) < deadline:
        if _well(place, loads, routing, now):
            return
        await asyncio.sleep(0.2)


def _well(place: Place, loads: Sequence[Clients], routing: Routing, now: float) -> bool:
    """All replicas are in routing, and every client has had nothing but answers for a while."""
    if routing.now.get(place.victim, 0) < place.replicas:
        return False
    return all(_answers_lately(load.calls, now - WELL_FOR_S) for load in loads)


def _answers_lately(calls: Sequence[Call], since: float) -> bool:
    recent = [call for call in calls if call.ended > since]
    return bool(recent) and all(call.ending is Ending.WHOLE for call in recent)
