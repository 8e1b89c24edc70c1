"""What happens in the gateway, as frozen events, and the one who listens.

`serving` emits; `ops` implements; `deploy` joins them. Events hold numbers and bounded names,
never text of a prompt or an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.tracing import Trace
from serving.values import ModelName, Outcome, ReplicaSnapshot, RequestId, Route, Team, Usage


@dataclass(frozen=True, slots=True)
class RequestRouted:
    """The request passed authentication and parsing, and the router has decided."""

    id: RequestId
    team: Team
    route: Route


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """The last event of every request that was read, however it ended. Times in seconds."""

    id: RequestId
    endpoint: str
    """`chat`, `completions`"""
    team: Team
    route: Route | None
    """None when the request was refused before a decision."""
    outcome: Outcome
    status: int
    stream: bool
    e2e_s: float
    ttft_s: float | None
    """From the request's first byte to the first token that was sent on; streams only."""
    usage: Usage | None
    """None when the engine did not say, as after an abort."""
    error_code: str | None = None
    retries: int = 0
    trace: Trace | None = None
    """Of the few requests that are traced; nobody changes it any more."""

    @property
    def tpot_s(self) -> float | None:
        """The mean time of each token after the first. Of whole streams only, so that what was cut
        short does not read as speed."""
        if self.ttft_s is None or self.usage is None or self.outcome is not Outcome.OK:
            return None
        later = self.usage.completion_tokens - 1
        return (self.e2e_s - self.ttft_s) / later if later > 0 else None


@dataclass(frozen=True, slots=True)
class ReplicaFailed:
    """A replica could not be reached, or did not answer to the end."""

    model: ModelName
    reason: str
    """`unreachable`; `refused`: it is full or not ready, by its own account; `silent`: it was given
    up, since it said nothing any more; `failed`; `timeout`: no first byte, or no end, in time"""


@dataclass(frozen=True, slots=True)
class OrdersHeld:
    """What of an operator's orders holds, from now on."""

    drained: Mapping[ModelName, bool]
    """Of every pool."""
    forced: Mapping[str, bool]
    """Of `fast` and `deep`: whether all that `auto` decides goes there."""


Event = RequestRouted | RequestFinished | ReplicaFailed | OrdersHeld


@dataclass(frozen=True, slots=True)
class PoolNow:
    """A pool as it stands. No event: it is looked at when someone asks for the metrics."""

    model: ModelName
    wanted: int | None
    """Replicas that there should be; None where its source does not say."""
    replicas: tuple[ReplicaSnapshot, ...]


class Observer(Protocol):
    """Called in the event loop, so it must return at once and never raise."""

    def on(self, event: Event) -> None: ...

    def in_flight(self, change: int) -> None:
        """+1 when a request is admitted, -1 when it ends."""

    def render(self, pools: Sequence[PoolNow], expiries: Mapping[Team, float]) -> tuple[bytes, str]:
        """The body and content type of `GET /metrics`; `pools` as they are at this moment, and
        when (in seconds since the epoch) the next key of each team expires."""
