"""Whether weights fit on the disk, asked before the first byte and told with the numbers."""

import errno
import os
from pathlib import Path
from typing import Final

from deploy.failure import Exit, Failure
from serving.sizes import in_words

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
ANOTHER_FOLDER: Final = "choose another folder: BIFOCAL_WEIGHTS, --to, or the file's weights.folder"


class DiskTooSmall(Failure):
    """With more room there, the same can be done."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(Exit.FAILED, what, remedy)


def free_at(folder: Path) -> int:
    """Bytes that this user may still write there."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def require(needed: int, free: int, folder: Path) -> None:
    """Raises DiskTooSmall when `needed` bytes are more than `free`."""
    if needed > free:
        what = f"the disk is too small: needs {in_words(needed)}, {in_words(free)} free at {folder}"
        raise DiskTooSmall(what, f"make room there, or {ANOTHER_FOLDER}")
