"""What a replica raises, so that Serve's controller can read it.

Ray hands an error on as the object that it is, and whoever receives it imports its module. For one
of vLLM's that is vLLM and torch, in the controller, which for tens of seconds on a busy machine
then looks after no replica of any pool. So what leaves a replica is of a module that costs nothing;
the words of what it was, and where it was raised, stay.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CHEAP: Final = ("builtins", "serving")
"""Packages whose errors are left as they are; none of ours that raises imports vLLM."""


class Failed(Exception):
    """In the place of an error that is dear to import."""


class EngineStuck(Exception):
    """It has work and takes no step; it would not say so itself."""


@contextmanager
def readable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kind = type(error)
        if kind.__module__.partition(".")[0] in CHEAP:
            raise
        raise Failed(f"{kind.__qualname__}: {error}") from error
