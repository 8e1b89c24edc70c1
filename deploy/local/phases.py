"""A pool's way to readiness, read from what Ray's REST API says. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from serving.pools.start import Noted, Said, Step, Took, steps
from serving.values import ModelName

REASON_LINES: Final = 12
FOR_A_PERSON: Final = "NoWeights: "
"""What follows is written for one; before it there is a trace."""
FOR_A_PROGRAMMER: Final = "Value error, "
"""What pydantic, which checks an engine's arguments, writes before its own words."""


class Phase(StrEnum):
    """In the order in which they come."""

    WAITING = "waiting for Ray"
    BUILDING = "building"
    PLACING = "placing"
    FETCHING = "fetching weights"
    STARTING = "starting engine"
    WARMING = "warming up"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PoolStatus:
    name: ModelName
    phase: Phase
    ready: int = 0
    """Replicas that answer."""
    wanted: int = 0
    why: str | None = None
    """What Ray says of a pool that is not ready; the end of it, where the cause stands."""
    start: tuple[Took, ...] = ()
    """Where the start of its newest replica went, so far."""
    note: str | None = None
    """How far its weights are, while they come."""
    held: bool = False
    """They come no further until what `note` says is mended."""

    @property
    def is_settled(self) -> bool:
        """Whether waiting alone will not change it."""
        return self.held or self.phase in (Phase.READY, Phase.FAILED)

    @property
    def trouble(self) -> str | None:
        """Why it is settled and not ready."""
        if self.held:
            return self.note
        return self.why or "Ray does not say why" if self.phase is Phase.FAILED else None


Saying = Callable[[Mapping[str, Any]], Said]
"""What a replica says of its start; Ray does not tell, its log does."""


def statuses(
    names: Iterable[ModelName], answer: Mapping[str, Any], said: Saying
) -> list[PoolStatus]:
    applications = answer.get("applications", {})
    return [_status(name, applications.get(name, {}), said) for name in names]


def _status(name: ModelName, app: Mapping[str, Any], said: Saying) -> PoolStatus:
    deployments = list(app.get("deployments", {}).values())
    replicas = [replica for each in deployments for replica in each.get("replicas", ())]
    noted = _noted(replicas, said)
    return PoolStatus(
        name=name,
        phase=_phase(app, replicas, said),
        ready=sum(replica["state"] == "RUNNING" for replica in replicas),
        wanted=sum(each.get("target_num_replicas", 0) for each in deployments),
        why=_reason(app, deployments),
        start=_start(replicas, said),
        note=noted.text if noted else None,
        held=noted is not None and noted.held,
    )


def _start(replicas: list[Mapping[str, Any]], said: Saying) -> tuple[Took, ...]:
    placed = [replica for replica in replicas if replica.get("pid") is not None]
    if not placed:
        return ()
    newest = max(placed, key=lambda replica: float(replica["start_time_s"]))
    return tuple(steps(said(newest).marks, newest["start_time_s"]))


def _noted(replicas: list[Mapping[str, Any]], said: Saying) -> Noted | None:
    """Of several that fetch, the one that cannot."""
    starting = [replica for replica in replicas if replica["state"] == "STARTING"]
    notes = [note for replica in starting if (note := said(replica).fetching)]
    return max(notes, key=lambda note: note.held, default=None)


def _phase(app: Mapping[str, Any], replicas: list[Mapping[str, Any]], said: Saying) -> Phase:
    if not app:
        return Phase.WAITING
    if app.get("status") == "DEPLOY_FAILED":
        return Phase.FAILED
    if app.get("status") == "RUNNING":
        return Phase.READY
    starting = [replica for replica in replicas if replica["state"] == "STARTING"]
    if not replicas:
        return Phase.BUILDING
    if any(replica.get("pid") is None for replica in starting):
        return Phase.PLACING
    if _noted(starting, said):
        return Phase.FETCHING
    is_warm = all(said(one).has_done(Step.ENGINE) for one in starting)
    return Phase.WARMING if starting and is_warm else Phase.STARTING


def _reason(app: Mapping[str, Any], deployments: list[Mapping[str, Any]]) -> str | None:
    messages = [app.get("message", ""), *(each.get("message", "") for each in deployments)]
    text = max(messages, key=len)
    told = text.rpartition(FOR_A_PERSON)[2].replace(FOR_A_PROGRAMMER, "")
    return "\n".join(told.strip().splitlines()[-REASON_LINES:]) or None
