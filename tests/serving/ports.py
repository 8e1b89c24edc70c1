"""Ports of this machine that do not answer, each in a way of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

HERE = "127.0.0.1"


@contextmanager
def busy() -> Iterator[int]:
    """The system accepts, and nobody there has the time to."""
    with socket.create_server((HERE, 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """Nothing is answered, as by a node without power: the queue of the port is full."""
    with socket.create_server((HERE, 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((HERE, port))
        yield port
        for each in waiting:
            each.close()


def closed() -> int:
    """Refuses."""
    with busy() as port:
        return port
