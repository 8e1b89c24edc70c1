"""What is known of each replica now: a snapshot that is swapped whole with every change.

It is told where the replicas are, what is on them and how they fare, and asks `balance` which one
takes the next request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from serving import balance
from serving.errors import BifocalError, EngineUnavailable, PoolLoading
from serving.gateway.loading import SOON_S, come_again_s
from serving.gateway.replica import Attempt, Replica
from serving.gateway.silence import Health, Standing, judge
from serving.gateway.targets import PoolState, PoolStatus
from serving.observer import PoolNow
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


class Pools:
    """The live state of all pools, in one event loop; others see it as frozen snapshots."""

    def __init__(self, starts: Mapping[ModelName, float]) -> None:
        """Each pool's name, and the seconds in which it is expected to start."""
        self._starts = starts
        self._status: dict[ModelName, PoolStatus] = {}
        self._replicas: dict[ModelName, dict[TargetId, Replica]] = {}
        self._leaving: dict[tuple[ModelName, TargetId], Replica] = {}
        """Not named any more, but with requests on them."""
        for name in starts:
            self._status[name] = PoolStatus(PoolState.UNKNOWN)
            self._replicas[name] = {}
        self._left: dict[ModelName, float] = {}
        """When requests were last seen on replicas that leave, in seconds since the epoch."""
        self._turn = 0
        self.ever_ready = False
        """Whether one of them was, since this gateway began."""

    def snapshot(self, name: ModelName) -> PoolSnapshot:
        return PoolSnapshot(self._status[name], self._snapshots(name))

    def snapshots(self) -> dict[ModelName, PoolSnapshot]:
        return {name: self.snapshot(name) for name in self._status}

    def now(self) -> list[PoolNow]:
        """As the metrics tell it."""
        status = self._status.items()
        return [PoolNow(name, known.wanted, self._snapshots(name)) for name, known in status]

    def requests(self) -> dict[ModelName, int]:
        """Under way by pool, also on replicas that are named no more."""
        found = {
            name: sum(r.requests for r in there.values()) for name, there in self._replicas.items()
        }
        for (name, _), replica in self._leaving.items():
            found[name] += replica.requests
        return found

    def choose(self, name: ModelName, now: float, avoid: TargetId | None = None) -> Target:
        """`now` in seconds since the epoch. Raises PoolLoading or EngineUnavailable."""
        self._turn += 1
        there = [r.snapshot() for r in self._replicas[name].values() if not r.down]
        target = balance.choose(there, self._turn, avoid)
        if target is None:
            raise self._nothing_there(name, now)
        return target

    def away(self, name: ModelName, now: float) -> BifocalError | None:
        """Why nobody can answer, with the seconds until another try is worth it."""
        return None if self.snapshot(name).ready else self._nothing_there(name, now)

    def failed_to_start(self, name: ModelName) -> bool:
        """It does not come back by itself."""
        return self._status[name].state is PoolState.FAILED and not self._replicas[name]

    def begin(
        self, name: ModelName, target: Target, tokens: int, now: float, give_up: Callable[[], None]
    ) -> Attempt:
        """A request of about so many tokens is on its way to the replica; `give_up` is called when
        nothing more is to be expected of it.

        It ends on the replica that it began on, even if a source has lost and found it meanwhile.
        """
        replica = self._replicas[name].get(target.id) or Replica(target)
        attempt = Attempt(replica, tokens, give_up)
        attempt.begin(now)
        return attempt

    def answered(self, name: ModelName, target: TargetId, load: Load | None, now: float) -> None:
        """It spoke, so it is not failing; `now` by any clock that only runs forward."""
        if (replica := self._replicas[name].get(target)) is None:
            return
        replica.down = False
        if replica.failing:
            replica.fail(failing=False)
        if load is not None:
            replica.tell(load, now)

    def asked(self, name: ModelName, target: TargetId, health: Health, now: float) -> None:
        """What it said when it was asked how it is."""
        replica = self._replicas[name].get(target) or self._leaving.get((name, target))
        if replica is None:
            return
        verdict = judge(health, replica.silence(now))
        if verdict.standing is Standing.WELL:
            replica.well_at = now
            self.answered(name, target, None, now)
        else:
            replica.down |= verdict.standing is Standing.DOWN
            replica.fail(failing=True)
        if verdict.give_up:
            given_up, replica.attempts = replica.attempts, set()
            for attempt in given_up:
                attempt.give_up()

    def failed(self, name: ModelName, target: TargetId) -> None:
        """It could not be reached, or failed while it answered."""
        if (replica := self._replicas[name].get(target)) is not None:
            replica.fail(failing=True)

    def doubtful(self, now: float) -> list[tuple[ModelName, Target]]:
        """Those that failed or are silent, and so are to be asked how they are. A replica that its
        source names no more may still owe answers."""
        there = [(n, r) for n, replicas in self._replicas.items() for r in replicas.values()]
        leaving = [(name, replica) for (name, _), replica in self._leaving.items()]
        return [(n, r.target) for n, r in there if r.failing or r.silent(now)] + [
            (n, r.target) for n, r in leaving if r.silent(now)
        ]

    def update(self, found: Mapping[ModelName, PoolStatus], wall: float | None = None) -> None:
        """What a source says of its pools; what we know of replicas that stay is kept. `wall` is
        now in seconds since the epoch."""
        for name, status in found.items():
            known = self._replicas[name] | {
                id: replica for (pool, id), replica in self._leaving.items() if pool == name
            }
            self._status[name] = status
            if status.complete:
                self._replicas[name] = {
                    target.id: known.get(target.id) or Replica(target) for target in status.targets
                }
            for id, replica in known.items():
                self._leaving.pop((name, id), None)
                if id not in self._replicas[name] and replica.attempts:
                    self._leaving[name, id] = replica
                    if wall is not None:
                        self._left[name] = wall
            self.ever_ready |= self.snapshot(name).ready

    def forget(self, now: float) -> None:
        """What doors said of their load too long ago."""
        for replicas in self._replicas.values():
            for replica in replicas.values():
                if replica.load is not None and now - replica.told_at > LOAD_STALE_S:
                    replica.tell(None, now)

    def _snapshots(self, name: ModelName) -> tuple[ReplicaSnapshot, ...]:
        return tuple([replica.snapshot() for replica in self._replicas[name].values()])

    def _nothing_there(self, name: ModelName, now: float) -> BifocalError:
        pool, start_s = self.snapshot(name), self._starts[name]
        msg = f"{name} is not ready: {pool.why_not}"
        if pool.status.state is PoolState.FAILED:
            return EngineUnavailable(msg, retry_after_s=round(start_s))
        if pool.replicas:  # one may be well again any moment, or is replaced
            return EngineUnavailable(msg, retry_after_s=SOON_S)
        since = _since(pool.status, self._left.get(name))
        elapsed = 0.0 if since is None else max(0.0, now - since)
        return PoolLoading(msg, retry_after_s=come_again_s(start_s, elapsed))


def _since(status: PoolStatus, left: float | None) -> float | None:
    """Since when it starts. A pool that has lost its replicas starts anew, however long ago it was
    deployed; where one leaves room for the next, that starts when the answers on it have ended."""
    if status.state is PoolState.RUNNING or status.since is None:
        return None
    return max(status.since, left or 0.0)
