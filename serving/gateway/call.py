"""The record of one request for tokens: what is known of it, and its last event."""

from dataclasses import dataclass
from typing import Final

from serving.errors import BifocalError, InternalError
from serving.observer import RequestFinished
from serving.tracing import Trace
from serving.values import Outcome, RequestId, Route, Team, Usage
from serving.wire.request import WireRequest

NOBODY: Final = Team("unknown")
"""The team of a request whose key is none of ours."""


@dataclass(slots=True)
class Call:
    """Filled as the request goes on its way. Times in seconds of the event loop's clock."""

    id: RequestId
    endpoint: str
    path: str
    """At the replica."""
    started: float
    team: Team = NOBODY
    request: WireRequest | None = None
    route: Route | None = None
    tokens: int = 0
    """What it is expected to come to."""
    retries: int = 0
    seen: bool = False
    """Whether a replica has, or may have, seen anything of it."""
    first_token: float | None = None
    """When the first content went out, after which nothing is retried."""
    usage: Usage | None = None
    error: BifocalError | None = None
    trace: Trace | None = None
    """None of most requests."""

    def finished(self, now: float, *, complete: bool) -> RequestFinished:
        error = self.error
        if error is None and not complete:
            error = InternalError("the gateway failed")
        stream = self.request is not None and self.request.stream
        return RequestFinished(
            id=self.id,
            endpoint=self.endpoint,
            team=self.team,
            route=self.route,
            outcome=Outcome.OK if error is None else error.outcome,
            status=200 if error is None else error.status,
            stream=stream,
            e2e_s=now - self.started,
            ttft_s=None if self.first_token is None else self.first_token - self.started,
            usage=self.usage,
            error_code=None if error is None else error.code,
            retries=self.retries,
            trace=self.trace,
        )
