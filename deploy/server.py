"""The gateway's server: uvicorn's, set up for streams, and how it ends: for good, or to make room.

Two gateways can accept from one socket, which belongs to whoever started them. The new one does so
before the old one stops, and the old one answers out what it has: nobody finds the port closed, and
no connection closes under a request.
"""

import asyncio
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final, cast

import uvicorn

from deploy.corked import CorkedProtocol
from deploy.succession import MAKE_ROOM
from serving.gateway import Gateway

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 75
"""An idle client's connection is kept longer than most clients keep it, so that it is they who
close: a server that closes first cuts requests that are on their way."""
GC_THRESHOLDS: Final = (20_000, 50, 100)
"""Requests leave hardly a cycle behind, so the collector need not look every 700 objects."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a gateway gets from whoever holds its port, so that another one can follow it."""

    listener: socket.socket
    """Whoever asks meanwhile waits in it: it stays open when one of those that share it ends."""
    tell_ready: Callable[[], None]
    """Called once the gateway knows its replicas and accepts."""


def run(
    gateway: Gateway,
    *,
    host: str,
    port: int,
    longest_answer_s: float,
    inherited: Inherited | None = None,
) -> None:
    """Serves until a signal; then takes nothing new and finishes the answers under way. A second
    signal ends it at once. `host` and `port` are where it listens, if it has inherited nothing."""
    config = uvicorn.Config(
        gateway,
        host=host,
        port=port,
        loop="uvloop",
        http=CorkedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(longest_answer_s),
    )
    if inherited is None:
        Server(config).run()
    else:
        Server(config, inherited.tell_ready).run([inherited.listener])


def _nobody() -> None:
    """Nobody waits for it to be ready."""


class Server(uvicorn.Server):
    """uvicorn's; but any second signal ends it, having ended in order is no failure, and it can
    make room for another that accepts from the same socket."""

    def __init__(self, config: uvicorn.Config, tell_ready: Callable[[], None] = _nobody) -> None:
        super().__init__(config)
        self._tell_ready = tell_ready
        self._makes_room = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(MAKE_ROOM, self._make_room)
        # What is there now stays: without it in the collector's way a request takes a fifth less.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._tell_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._makes_room:
            await self._answer_out(sockets or [])
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    def _make_room(self) -> None:
        self._makes_room = self.should_exit = True

    async def _answer_out(self, sockets: list[socket.socket]) -> None:
        """Takes no more connections and lets those that there are end by themselves: with their
        next answer, or by the time that an idle one is kept. From now on a signal means what it
        always means."""
        self.should_exit = False
        for server in self.servers:
            server.close()
        for sock in sockets:
            sock.close()
        ticks = 0
        while self.server_state.connections and not await self.on_tick(ticks := ticks + 1):
            for connection in self.server_state.connections:
                cast(CorkedProtocol, connection).end_with_next()
            await asyncio.sleep(0.1)
