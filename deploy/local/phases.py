"""A pool's way to readiness, read from what Ray's REST API says. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

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


IsWarming = Callable[[Mapping[str, Any]], bool]
"""Whether a starting replica's engine is up; Ray does not say, its log does."""


def statuses(
    names: Iterable[ModelName], answer: Mapping[str, Any], is_warming: IsWarming
) -> list[PoolStatus]:
    applications = answer.get("applications", {})
    return [_status(name, applications.get(name, {}), is_warming) for name in names]


def _status(name: ModelName, app: Mapping[str, Any], is_warming: IsWarming) -> PoolStatus:
    deployments = list(app.get("deployments", {}).values())
    replicas = [replica for each in deployments for replica in each.get("replicas", ())]
    return PoolStatus(
        name=name,
        phase=_phase(app, replicas, is_warming),
        ready=sum(replica["state"] == "RUNNING" for replica in replicas),
        wanted=sum(each.get("target_num_replicas", 0) for each in deployments),
        why=_reason(app, deployments),
    )


def _phase(
    app: Mapping[str, Any], replicas: list[Mapping[str, Any]], is_warming: IsWarming
) -> Phase:
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
    return Phase.WARMING if starting and all(map(is_warming, starting)) else Phase.STARTING


def _reason(app: Mapping[str, Any], deployments: list[Mapping[str, Any]]) -> str | None:
    messages = [app.get("message", ""), *(each.get("message", "") for each in deployments)]
    text = max(messages, key=len)
    return "\n".join(text.strip().splitlines()[-REASON_LINES:]) or None
