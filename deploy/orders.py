"""The file in which what operators order outlives a gateway, and from which gateways of one machine
know it of each other.

On Kubernetes it is a mounted ConfigMap, which a gateway can only read: `bifocal pool` and its like
write it where they are given a --context. A file that cannot be read holds nothing: orders are no
reason not to answer.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from serving.gateway.orders import Order, Orders, merged

logger: Final = logging.getLogger("bifocal.orders")

TRIES: Final = 10
TRY_AGAIN_S: Final = 0.01
"""Whoever has the lock writes a small file. The event loop waits for it, but not for one that has
stopped."""

_decode: Final = msgspec.json.Decoder(list[Order]).decode


class OrdersFile:
    """A `serving.gateway.standing.Keeper`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._unread: tuple[int, int, int] | None = None
        """What could not be read, and was told."""

    def changed(self) -> Sequence[Order]:
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return ()
        try:
            found = self._read()
        except OSError as error:  # it may pass: the file is looked at again
            if stamp != self._unread:
                logger.warning("%s cannot be read: %s", self._path, error.strerror)
            self._unread = stamp
            return ()
        self._seen = stamp
        return found

    def keep(self, orders: Orders) -> bool:
        """What another process wrote there meanwhile stays, unless ours is later."""
        try:
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # it is mounted to be read
            return False
        try:
            _take(lock)
            found = merged(orders, self._read(), time.time())
            draft = self._path.with_suffix(".new")
            draft.write_bytes(text_of(found.values()))
            draft.replace(self._path)
        except OSError as error:
            logger.warning("orders are not kept in %s: %s", self._path, error.strerror)
            return False
        finally:
            os.close(lock)
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Sequence[Order]:
        """Raises OSError."""
        try:
            return orders_in(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except ValueError as error:
            logger.warning("%s holds no orders that can be read: %s", self._path, error)
            return ()


def _take(lock: int) -> None:
    """Raises OSError where another process does not let go."""
    for _ in range(TRIES):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_AGAIN_S)
    raise BlockingIOError(errno.EWOULDBLOCK, "another process has its lock")


def orders_in(text: bytes) -> list[Order]:
    """Raises ValueError."""
    return _decode(text) if text.strip() else []


def text_of(orders: Iterable[Order]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(list(orders)), indent=1) + b"\n"
