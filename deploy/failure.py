"""How a verb ends when it cannot do what was asked: a code for scripts, two lines for people."""

import sys
from enum import IntEnum, unique
from typing import Final

SAYS: Final = "bifocal: "
"""How the first line of a failure begins."""


@unique
class Exit(IntEnum):
    """The exit codes of every verb; each number means one thing."""

    OK = 0
    FAILED = 1
    """It was tried and did not work, or a check found something wrong."""
    BAD_INPUT = 2
    """A wrong argument or file, or a request that the service refuses: try it otherwise."""
    INFEASIBLE = 3
    """`plan`, `diff`: the question is good, and the answer is that it does not fit."""
    NOT_RUNNING = 4
    """Nothing answers there, or it is not ready: try it later."""
    RUNNING_ALREADY = 5
    """`up`: nothing is left to do."""


class Failure(Exception):
    """`what` was wrong and what to do about it (`remedy`); never a traceback."""

    def __init__(self, code: Exit, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy = remedy

    def show(self) -> None:
        print(f"{SAYS}{self.what}", file=sys.stderr)
        if self.remedy:
            print(self.remedy, file=sys.stderr)
