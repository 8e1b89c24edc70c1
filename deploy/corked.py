"""uvicorn's protocol with one write a turn of the event loop instead of one a message, and with
bounds on what comes before a request and on how long an answer waits to be taken.

ASGI sends an answer's headers apart from its body, and of a stream the last events apart from the
end. Each write is a system call and wakes the client, and for short answers that costs more than
all that the gateway decides (measured: a stream of 64 events makes 3.5 writes instead of 5.3).
Nothing is held back: what is written in a turn leaves at its end.

uvicorn bounds neither the bytes nor the time of a request's headers, and answers what is no HTTP in
plain text; here these are errors of ours, in OpenAI's shape. And it waits without end for a client
that has stopped to read.
"""

import asyncio
import sys
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.errors import BifocalError, HeadersTooLarge, MalformedRequest, RequestTimeout
from serving.wire.json import encode

MAX_HEADERS: Final = 64 * 1024
"""Bytes of request line and headers; nginx and Node allow 8 to 32 KiB."""
HEADERS_WITHIN_S: Final = 60.0
"""nginx's default (client_header_timeout)."""
TAKEN_WITHIN_S: Final = 60.0
"""A client that takes not a byte for so long is gone, or wants to hold what it holds: nginx's
default (send_timeout)."""


class Stall:
    """Ends a connection whose client takes nothing of what waits for it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.end()
        self._look(sys.maxsize)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: int) -> None:
        waiting = self._transport.get_write_buffer_size()
        if waiting < before:
            self._timer = self._loop.call_later(TAKEN_WITHIN_S, self._look, waiting)
        else:
            self._transport.abort()


class Corked:
    """A transport that gathers what is written in one turn. All but writing is the transport's."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self.stall = Stall(transport, loop)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self.stall.begin()  # it closes only when all is taken

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CorkedProtocol(HttpToolsProtocol):
    """A request whose headers come in one piece, as almost all do, starts no timer and has nothing
    counted."""

    _timer: asyncio.TimerHandle | None = None
    _in_headers = False
    _in_pieces = 0
    """Bytes of the headers that are being read, without their first piece: in it may be the end of
    the request before."""
    _is_large = False
    """Whether these headers could be too large, so that it is worth while to add them up."""
    _ends = False

    def end_with_next(self) -> None:
        """Whatever answer begins from now on is the last on this connection, and says so. What
        has begun has told its client otherwise, and one that is idle may be asked at any moment:
        closing either would cut a request that is on its way."""
        self._ends = True
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        corked = Corked(transport, self.loop)
        self._stall = corked.stall
        super().connection_made(cast(asyncio.Transport, corked))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Whoever sends waits from now on, beyond any deadline of its own: nobody else ends it."""
        super().pause_writing()
        self._stall.begin()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():  # else it is waited for until all is taken
            self._stall.end()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._is_large = self._in_headers or len(data) > MAX_HEADERS
        if self._in_headers:
            self._in_pieces += len(data)
        super().data_received(data)
        if self._in_headers and not self.transport.is_closing():
            if self._in_pieces > MAX_HEADERS:
                self._refuse(_too_large())
            elif self._timer is None:
                self._start_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._in_pieces = True, 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._stop_timer()
        if self._is_large and self._headers_size() > MAX_HEADERS:
            raise _too_large()
        super().on_headers_complete()
        if self._ends:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it for what its parser raises, which may have been raised by us in it."""
        cause = getattr(sys.exception(), "__context__", None)
        if not isinstance(cause, BifocalError):
            cause = MalformedRequest("this is not valid HTTP/1.1")
        self._refuse(cause)

    def _headers_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self, error: BifocalError) -> None:
        """Closes the connection; an answer that is under way on it must not get this in its
        midst."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_response(error))
        self.transport.close()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEADERS_WITHIN_S, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self._in_headers:
            msg = f"the headers did not arrive within {HEADERS_WITHIN_S:g} s"
            self._refuse(RequestTimeout(msg))
        else:
            self.transport.close()  # nobody has asked for anything


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"the headers are larger than the {MAX_HEADERS} bytes that are allowed")


def _response(error: BifocalError) -> bytes:
    body = encode(error.body())
    headers = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[error.status] + headers % len(body) + body
