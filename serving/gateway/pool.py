"""What is known of each replica now: a snapshot that is swapped whole with every change.

It is told where the replicas are, what is on them and how they fare, and asks `balance` which one
takes the next request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from serving import balance
from serving.errors import BifocalError, EngineUnavailable, PoolLoading
from serving.gateway.targets import PoolState, PoolStatus
from serving.values import Load, ModelName, ReplicaSnapshot, Target, TargetId

LOAD_STALE_S: Final = 5.0
"""What a door said so long ago says nothing of now."""
EXPECTED_START_S: Final = 70.0
"""A pocket pool on two cores starts in 35 to 70 s; a large model takes longer, and is asked for
again a little later each time."""
SOON_S: Final = 5


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """A pool as the gateway sees it."""

    status: PoolStatus
    replicas: tuple[ReplicaSnapshot, ...]

    @property
    def ready(self) -> bool:
        return any(not replica.failing for replica in self.replicas)

    @property
    def why_not(self) -> str | None:
        """For clients, so without the insides."""
        if self.ready:
            return None
        if self.replicas:
            return "its replicas do not answer"
        return _REASONS[self.status.state]


_REASONS: Final = {
    PoolState.UNKNOWN: "Ray has not been heard from yet",
    PoolState.MISSING: "it is not deployed yet",
    PoolState.LOADING: "it is loading",
    PoolState.RUNNING: "it has no replica now",
    PoolState.FAILED: "it failed to start",
}


class Pools:
    """The live state of all pools, in one event loop. Each replica's snapshot is swapped whole."""

    def __init__(self, names: Iterable[ModelName]) -> None:
        self._status: dict[ModelName, PoolStatus] = {}
        self._replicas: dict[ModelName, dict[TargetId, ReplicaSnapshot]] = {}
        for name in names:
            self._status[name] = PoolStatus(PoolState.UNKNOWN)
            self._replicas[name] = {}
        self._told_at: dict[TargetId, float] = {}
        self._turn = 0

    def snapshot(self, name: ModelName) -> PoolSnapshot:
        return PoolSnapshot(self._status[name], tuple(self._replicas[name].values()))

    def snapshots(self) -> dict[ModelName, PoolSnapshot]:
        return {name: self.snapshot(name) for name in self._status}

    def choose(self, name: ModelName, now: float, avoid: TargetId | None = None) -> Target:
        """`now` in seconds since the epoch. Raises PoolLoading or EngineUnavailable."""
        self._turn += 1
        target = balance.choose(tuple(self._replicas[name].values()), self._turn, avoid)
        if target is None:
            raise _nothing_there(name, self.snapshot(name), now)
        return target

    def begin(self, name: ModelName, target: TargetId, tokens: int) -> None:
        """A request of about so many tokens is on its way to the replica."""
        self._add(name, target, tokens, 1)

    def end(self, name: ModelName, target: TargetId, tokens: int) -> None:
        self._add(name, target, -tokens, -1)

    def answered(self, name: ModelName, target: TargetId, load: Load | None, now: float) -> None:
        """It spoke, so it is not failing; `now` by any clock that only runs forward."""
        replica = self._replicas[name].get(target)
        if replica is None or (load is None and not replica.failing):
            return
        foreign = 0
        if load is not None:
            self._told_at[target] = now
            foreign = max(0, load.running + load.waiting - replica.requests_in_flight)
        self._replicas[name][target] = _changed(replica, load=load, foreign=foreign)

    def failed(self, name: ModelName, target: TargetId) -> None:
        """It could not be reached, or failed while it answered."""
        if (replica := self._replicas[name].get(target)) is not None:
            self._replicas[name][target] = _changed(replica, failing=True)

    def failing(self) -> list[tuple[ModelName, Target]]:
        return [
            (name, replica.target)
            for name, replicas in self._replicas.items()
            for replica in replicas.values()
            if replica.failing
        ]

    def update(self, found: Mapping[ModelName, PoolStatus], now: float) -> None:
        """What a source says of its pools; what we know of replicas that stay is kept."""
        for name, status in found.items():
            known = self._replicas[name]
            self._status[name] = status
            self._replicas[name] = {
                target.id: self._refreshed(known.get(target.id), target, now)
                for target in status.targets
            }
        live = {target for replicas in self._replicas.values() for target in replicas}
        self._told_at = {target: at for target, at in self._told_at.items() if target in live}

    def _refreshed(
        self, known: ReplicaSnapshot | None, target: Target, now: float
    ) -> ReplicaSnapshot:
        if known is None:
            return ReplicaSnapshot(target)
        if known.load is not None and now - self._told_at.get(target.id, now) > LOAD_STALE_S:
            return _changed(known, failing=known.failing)
        return known

    def _add(self, name: ModelName, target: TargetId, tokens: int, requests: int) -> None:
        if (was := self._replicas[name].get(target)) is not None:
            self._replicas[name][target] = ReplicaSnapshot(
                was.target,
                was.tokens_in_flight + tokens,
                was.requests_in_flight + requests,
                was.load,
                was.foreign_requests,
                was.failing,
            )


def _changed(
    was: ReplicaSnapshot, *, load: Load | None = None, foreign: int = 0, failing: bool = False
) -> ReplicaSnapshot:
    # Not `dataclasses.replace`: it costs more than all the rest, once a request.
    return ReplicaSnapshot(
        was.target, was.tokens_in_flight, was.requests_in_flight, load, foreign, failing
    )


def _nothing_there(name: ModelName, pool: PoolSnapshot, now: float) -> BifocalError:
    msg = f"{name} is not ready: {pool.why_not}"
    if pool.status.state is PoolState.FAILED:
        return EngineUnavailable(msg, retry_after_s=int(EXPECTED_START_S))
    elapsed = 0.0 if pool.status.since is None else max(0.0, now - pool.status.since)
    return PoolLoading(msg, retry_after_s=max(SOON_S, round(EXPECTED_START_S - elapsed)))
