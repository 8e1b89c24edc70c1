"""A pool's way to readiness, read from what Ray's REST API says. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from serving.pools.start import Mark, Step, Took, steps
from serving.values import ModelName

REASON_LINES: Final = 12


class Phase(StrEnum):
    """In the order in which they come."""

    WAITING = "waiting for Ray"
    BUILDING = "building"
    PLACING = "placing"
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


Said = Callable[[Mapping[str, Any]], Sequence[Mark]]
"""What a replica says of its start; Ray does not tell, its log does."""


def statuses(names: Iterable[ModelName], answer: Mapping[str, Any], said: Said) -> list[PoolStatus]:
    applications = answer.get("applications", {})
    return [_status(name, applications.get(name, {}), said) for name in names]


def _status(name: ModelName, app: Mapping[str, Any], said: Said) -> PoolStatus:
    deployments = list(app.get("deployments", {}).values())
    replicas = [replica for each in deployments for replica in each.get("replicas", ())]
    return PoolStatus(
        name=name,
        phase=_phase(app, replicas, said),
        ready=sum(replica["state"] == "RUNNING" for replica in replicas),
        wanted=sum(each.get("target_num_replicas", 0) for each in deployments),
        why=_reason(app, deployments),
        start=_start(replicas, said),
    )


def _start(replicas: list[Mapping[str, Any]], said: Said) -> tuple[Took, ...]:
    placed = [replica for replica in replicas if replica.get("pid") is not None]
    if not placed:
        return ()
    newest = max(placed, key=lambda replica: float(replica["start_time_s"]))
    return tuple(steps(said(newest), newest["start_time_s"]))


def _phase(app: Mapping[str, Any], replicas: list[Mapping[str, Any]], said: Said) -> Phase:
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
    is_warm = all(any(mark.step is Step.ENGINE for mark in said(one)) for one in starting)
    return Phase.WARMING if starting and is_warm else Phase.STARTING


def _reason(app: Mapping[str, Any], deployments: list[Mapping[str, Any]]) -> str | None:
    messages = [app.get("message", ""), *(each.get("message", "") for each in deployments)]
    text = max(messages, key=len)
    return "\n".join(text.strip().splitlines()[-REASON_LINES:]) or None
