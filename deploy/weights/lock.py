"""One process at a time fills a folder; the others wait and find it filled.

The lock is the kernel's, so it is let go however its holder dies.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from deploy.failure import Exit, Failure
from deploy.weights.disk import ANOTHER_FOLDER

FILE_NAME: Final = ".bifocal-weights.lock"
LOOKS_EVERY_S: Final = 0.5


@asynccontextmanager
async def only_one(folder: Path, waiting: Callable[[str], None]) -> AsyncIterator[None]:
    """Makes the folder. `waiting` is told once, if another process is at it."""
    handle = _opened(folder)
    try:
        if not _taken(handle):
            waiting(f"another process is filling {folder}; waiting for it")
            while not _taken(handle):  # noqa: ASYNC110 - the event is another process's
                await asyncio.sleep(LOOKS_EVERY_S)
        yield
    finally:
        os.close(handle)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        what = f"{folder} cannot be written: {error.strerror or error}"
        raise Failure(Exit.FAILED, what, ANOTHER_FOLDER) from None


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
