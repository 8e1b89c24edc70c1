"""What ends a request before its time, and what a long silence in it calls for.

A client that hangs up and a deadline that passes both cancel the worker where it stands, which
closes the connection to the engine and so ends the generation. It costs one task and one timer a
request, however many events its answer has.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, NamedTuple

from serving.errors import BifocalError, ClientGone, EngineUnavailable, RequestTimeout
from serving.gateway.asgi import Reply, Request

_NEVER: Final = float("inf")


class Limit(NamedTuple):
    """How long something may take, and what is said when it takes longer."""

    seconds: float
    error: type[BifocalError]
    message: str


FIRST_LOOK_S: Final = 0.1
"""Before that a client's hanging up is not looked for: most of what ends so soon has ended by
itself, and a client that is gone by then is found gone then."""


class Watch:
    """Entered by the worker. What cancelled it leaves as an error of ours."""

    __slots__ = (
        "_comment", "_deadline", "_fires", "_keep_alive_s", "_late", "_limit", "_looked", "_loop",
        "_reader", "_reply", "_request", "_speaks", "_timer", "_worker",
    )  # fmt: skip

    def __init__(self, reply: Reply, keep_alive_s: float) -> None:
        self._reply, self._keep_alive_s = reply, keep_alive_s
        self._loop = asyncio.get_running_loop()
        self._worker = asyncio.current_task(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._comment: asyncio.Task[None] | None = None
        self._speaks = False
        self._deadline = self._fires = _NEVER
        self._limit: Limit | None = None
        self._late = False
        self._looked = False
        self._request: Request | None = None
        self._fire_by(reply.last_event + FIRST_LOOK_S)

    def allow(self, limit: Limit, since: float) -> None:
        """From now on this limit holds, counted from `since`."""
        self._limit = limit
        self._deadline = since + limit.seconds
        self._fire_by(self._deadline)

    def client(self, request: Request) -> None:
        """Watches for the client's hanging up. Its request must have been read."""
        self._request = request
        if self._looked:
            self._listen(request)

    def silence(self) -> None:
        """From now on the client is told comments when it is told nothing else for long."""
        self._reply.last_event = time.monotonic()
        self._speaks = True

    def hush(self) -> None:
        """No comments from now on: the first of them would be a 200, and it is not known any more
        whether there will be an answer."""
        self._speaks = False
        if self._comment is not None and not self._reply.started:
            self._comment.cancel()  # called for a moment ago, and not begun

    def _fire_by(self, moment: float) -> None:
        # A timer that fires too early looks and waits on, which is cheaper than to move it.
        if moment < self._fires:
            if self._timer is not None:
                self._timer.cancel()
            self._fires = moment
            self._timer = self._loop.call_later(moment - time.monotonic(), self._look)

    def _look(self) -> None:
        now, self._fires = time.monotonic(), _NEVER
        if not self._looked:
            self._looked = True
            if self._request is not None:
                self._listen(self._request)
        if now >= self._deadline:
            self._late = True
            self._cancel()
            return
        if self._speaks and now - self._reply.last_event >= self._keep_alive_s:
            # It falls between two events, since only whole ones are sent. A client that takes
            # nothing has one waiting for it already.
            if self._comment is None or self._comment.done():
                self._comment = self._loop.create_task(self._reply.comment())
            quiet_since = now
        else:
            quiet_since = self._reply.last_event if self._speaks else now
        self._fire_by(min(self._deadline, quiet_since + self._keep_alive_s))

    def _listen(self, request: Request) -> None:
        self._reader = self._loop.create_task(request.hang_up())
        self._reader.add_done_callback(self._hung_up)

    def _hung_up(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled() and not self._reply.complete:
            self._cancel()

    def _cancel(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        cancelled = kind is asyncio.CancelledError
        why = self._why() if cancelled and not self._reply.complete else None
        self._stop()
        if cancelled and self._worker is not None:
            self._worker.uncancel()
        if why is not None:
            raise why from None
        return cancelled

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()
        if self._reader is not None and not self._reply.complete:
            self._reader.cancel()  # else it ends by itself, which costs less

    def _why(self) -> BifocalError:
        if self._late and self._reply.stuck:
            return RequestTimeout("the client did not take its answer in time")
        if self._late and self._limit is not None:
            return self._limit.error(self._limit.message)
        if self._reader is not None and self._reader.done() and not self._reader.cancelled():
            return ClientGone("the client hung up")
        return EngineUnavailable("the gateway is stopping", retry_after_s=1)
