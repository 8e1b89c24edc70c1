"""Whether an engine is stuck, seen from beside it: requests in it, and no step for too long.

A stuck engine says nothing. Its last gauges stand, its health is fine, its requests hang. But its
front end is a process of its own, which knows how many requests wait for the engine and hears of
each step. How long is too long is `patience`'s to say; what is done about it is Serve's. It looks
after replicas that are ready: until then `watched` does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Final

LONGEST_GAP_S: Final = 10.0
"""Serve looks every five seconds. Who has not looked for longer was held up, and perhaps what the
engine said meanwhile is not read yet: of such a gap no more than this counts against the engine."""
LOOKS_EVERY_S: Final = 5.0
"""As often as Serve."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen at one moment; `now` in seconds by any clock that only runs forward."""

    now: float
    unfinished: int
    """Requests that the engine has not answered to their end."""
    steps: int
    """That it has taken since it started."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Also what the next decision must know of the looks before it."""

    look: Look
    still_s: float = 0.0
    """Seconds without a step while there was work."""
    limit_s: float = float("inf")

    @property
    def stuck(self) -> bool:
        return self.still_s >= self.limit_s

    @property
    def reason(self) -> str:
        requests = f"{self.look.unfinished} request(s)"
        return f"{requests} in the engine, and no step for {self.still_s:.0f} s of work"


def decide(before: Verdict | None, look: Look, limit_s: float) -> Verdict:
    """A step ends the stillness, and nothing else does: requests whose clients have given up leave
    a stuck engine as stuck as it was. Time between two looks counts when both saw work."""
    if before is None or look.steps != before.look.steps:
        return Verdict(look, 0.0, limit_s)
    worked = before.look.unfinished > 0 and look.unfinished > 0
    more = min(look.now - before.look.now, LONGEST_GAP_S) if worked else 0.0
    return Verdict(look, before.still_s + more, limit_s)


class Pulse:
    """Of the engine of this process: `load` feels it, `server` looks, `door` tells."""

    def __init__(self) -> None:
        self._steps = 0
        self._verdict: Verdict | None = None

    def beat(self) -> None:
        self._steps += 1

    @property
    def stuck(self) -> bool:
        """At the last look."""
        return self._verdict is not None and self._verdict.stuck

    def look(self, now: float, unfinished: int, limit_s: float) -> Verdict:
        self._verdict = decide(self._verdict, Look(now, unfinished, self._steps), limit_s)
        return self._verdict


PULSE: Final = Pulse()
"""One for the process: vLLM makes the writer and the readers apart, by name."""


async def watched(work: Coroutine[None, None, None], look: Callable[[], Awaitable[None]]) -> None:
    """Raises what `look` does while the work is not done, and leaves it."""
    doing = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait((doing,), timeout=LOOKS_EVERY_S))[0]:
            await look()
    finally:
        doing.cancel()
    await doing
