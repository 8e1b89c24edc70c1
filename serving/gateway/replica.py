"""One replica as this gateway knows it: what is on it, what its door said, how it fares.

Which replica takes the next request is `pool`'s to ask; what a silence means is `silence`'s to say.
"""

from collections.abc import Callable

from serving.gateway.silence import Silence
from serving.values import Load, ReplicaSnapshot, Target


class Replica:
    """What is known of one replica, and its snapshot as long as nothing has changed."""

    __slots__ = (
        "_snapshot",
        "attempts",
        "byte_at",
        "down",
        "failing",
        "foreign",
        "load",
        "requests",
        "target",
        "tokens",
        "told_at",
        "well_at",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tokens = self.requests = self.foreign = 0
        self.load: Load | None = None
        self.told_at = self.byte_at = self.well_at = 0.0
        self.failing = self.down = False
        self.attempts: set[Attempt] = set()
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

    def silent(self, now: float) -> bool:
        return (silence := self.silence(now)) is not None and silence.is_long

    def silence(self, now: float) -> Silence | None:
        if not self.attempts:
            return None
        return Silence(now - self.byte_at, now - max(self.byte_at, self.well_at))


class Attempt:
    """One request on one replica, from its beginning there to its end."""

    __slots__ = ("_replica", "_tokens", "give_up")

    def __init__(self, replica: Replica, tokens: int, give_up: Callable[[], None]) -> None:
        self._replica, self._tokens, self.give_up = replica, tokens, give_up

    def heard(self, now: float) -> None:
        """A byte of its answer came."""
        self._replica.byte_at = now

    def begin(self, now: float) -> None:
        if not self._replica.attempts:
            self._replica.byte_at = now
        self._replica.attempts.add(self)
        self._replica.add(self._tokens, 1)

    def end(self) -> None:
        self._replica.attempts.discard(self)
        self._replica.add(-self._tokens, -1)
