"""What is known of each replica now: a snapshot that is swapped whole with every change.

It is told where the replicas are, what is on them and how they fare, and asks `balance` which one
takes the next request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from serving import balance
from serving.errors import BifocalError, EngineUnavailable, PoolLoading
from serving.gateway.loading import retry_after_s
from serving.gateway.targets import PoolState, PoolStatus
from serving.values import Load, ModelName, ReplicaSnapshot, Target, TargetId

LOAD_STALE_S: Final = 5.0
"""What a door said so long ago says nothing of now."""


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


class _Replica:
    """What is known of one replica, and its snapshot as long as nothing has changed."""

    __slots__ = (
        "_snapshot",
        "failing",
        "foreign",
        "load",
        "requests",
        "target",
        "tokens",
        "told_at",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tokens = self.requests = self.foreign = 0
        self.load: Load | None = None
        self.told_at = 0.0
        self.failing = False
        self._snapshot: ReplicaSnapshot | None = None

    def snapshot(self) -> ReplicaSnapshot:
        if self._snapshot is None:
            self._snapshot = ReplicaSnapshot(
                self.target, self.tokens, self.requests, self.load, self.foreign, self.failing
            )
        return self._snapshot

    def add(self, tokens: int, requests: int) -> None:
        self._snapshot = None
        self.tokens += tokens
        self.requests += requests

    def tell(self, load: Load | None, now: float) -> None:
        self._snapshot = None
        self.load, self.told_at = load, now
        self.foreign = 0
        if load is not None:
            self.foreign = max(0, load.running + load.waiting - self.requests)

    def fail(self, *, failing: bool) -> None:
        self._snapshot = None
        self.failing = failing


class Pools:
    """The live state of all pools, in one event loop; others see it as frozen snapshots."""

    def __init__(self, starts: Mapping[ModelName, float]) -> None:
        """Each pool's name, and the seconds in which it is expected to start."""
        self._starts = starts
        self._status: dict[ModelName, PoolStatus] = {}
        self._replicas: dict[ModelName, dict[TargetId, _Replica]] = {}
        for name in starts:
            self._status[name] = PoolStatus(PoolState.UNKNOWN)
            self._replicas[name] = {}
        self._turn = 0

    def snapshot(self, name: ModelName) -> PoolSnapshot:
        return PoolSnapshot(self._status[name], self._snapshots(name))

    def snapshots(self) -> dict[ModelName, PoolSnapshot]:
        return {name: self.snapshot(name) for name in self._status}

    def choose(self, name: ModelName, now: float, avoid: TargetId | None = None) -> Target:
        """`now` in seconds since the epoch. Raises PoolLoading or EngineUnavailable."""
        self._turn += 1
        target = balance.choose(self._snapshots(name), self._turn, avoid)
        if target is None:
            raise _nothing_there(name, self.snapshot(name), now, self._starts[name])
        return target

    def begin(self, name: ModelName, target: TargetId, tokens: int) -> Callable[[], None]:
        """A request of about so many tokens is on its way to the replica; what is returned ends it.

        It ends on the replica that it began on, even if a source has lost and found it meanwhile.
        """
        if (replica := self._replicas[name].get(target)) is None:
            return lambda: None
        replica.add(tokens, 1)
        return partial(replica.add, -tokens, -1)

    def answered(self, name: ModelName, target: TargetId, load: Load | None, now: float) -> None:
        """It spoke, so it is not failing; `now` by any clock that only runs forward."""
        if (replica := self._replicas[name].get(target)) is None:
            return
        if replica.failing:
            replica.fail(failing=False)
        if load is not None:
            replica.tell(load, now)

    def failed(self, name: ModelName, target: TargetId) -> None:
        """It could not be reached, or failed while it answered."""
        if (replica := self._replicas[name].get(target)) is not None:
            replica.fail(failing=True)

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
                target.id: known.get(target.id) or _Replica(target) for target in status.targets
            }
            for replica in self._replicas[name].values():
                if replica.load is not None and now - replica.told_at > LOAD_STALE_S:
                    replica.tell(None, now)

    def _snapshots(self, name: ModelName) -> tuple[ReplicaSnapshot, ...]:
        return tuple([replica.snapshot() for replica in self._replicas[name].values()])


def _nothing_there(name: ModelName, pool: PoolSnapshot, now: float, start_s: float) -> BifocalError:
    msg = f"{name} is not ready: {pool.why_not}"
    if pool.status.state is PoolState.FAILED:
        return EngineUnavailable(msg, retry_after_s=round(start_s))
    since = pool.status.since
    elapsed = 0.0 if since is None else max(0.0, now - since)
    return PoolLoading(msg, retry_after_s=retry_after_s(start_s, elapsed))
