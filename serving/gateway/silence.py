"""A stream that is silent for long gets a comment, so that no proxy on the way cuts it."""

import asyncio

from serving.gateway.asgi import Reply


class KeepAlive:
    """One timer for a whole stream: it looks back when it fires, and costs nothing in between."""

    def __init__(self, reply: Reply, every: float, loop: asyncio.AbstractEventLoop) -> None:
        self._reply, self._every, self._loop = reply, every, loop
        self._timer = loop.call_later(every, self._look)
        self._comment: asyncio.Task[None] | None = None

    def stop(self) -> None:
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._reply.last_event
        if silent >= self._every:
            # Between two events, since only whole ones are sent.
            self._comment = self._loop.create_task(self._reply.comment())
            silent = 0.0
        self._timer = self._loop.call_later(self._every - silent, self._look)
