"""Serve's log of a replica, kept while vLLM sets up its own.

vLLM configures Python's logging as it is imported, which closes every handler of the process. Serve
writes through a handler that, once closed, has lost its file: the replica's log stays empty, and a
controller that was started anew, as by the loss of Ray's head, asks the replica where its log is,
gets an error, and takes it for one that has failed to start. Told in
`docs/upstream/closed-log.md`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from typing import Final

SERVE: Final = "ray.serve"


@contextmanager
def kept() -> Iterator[None]:
    """What is written meanwhile comes to the file with the first line after it."""
    handlers = logging.getLogger(SERVE).handlers
    files = [(each, each.target) for each in handlers if isinstance(each, MemoryHandler)]
    try:
        yield
    finally:
        for handler, file in files:
            handler.setTarget(file)
