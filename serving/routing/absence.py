"""What becomes of a request whose model cannot answer now. Pure.

By whatever name the client asked, and for whatever reason the model is away: while its only replica
is replaced or starts again, the request waits for `holdFor`; then the model named in `instead`
answers, if it can; else the request is refused with the seconds until another try is worth it. One
that a replica has seen before it broke is none of these: it may be what broke it.

`instead` is followed once. Who stands in for whom is so plain to see in the cluster file, and no
request goes in a circle.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from serving.values import ModelName

MOST_TRIES: Final = 3
"""At once, of a pool that seems to be there and yet is not reached."""
AGAIN_AFTER_S: Final = 1.0
"""And then, while there is time: a pool that flaps is not asked ten times a second by everyone who
waits, and one that is well again answers those who have tried in vain as it does those who come."""
WAITING_SHARE: Final = 0.5
"""Of the requests that a gateway takes at once. The other half is for models that answer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one model, as the cluster file has it."""

    hold_for_s: float = 0.0
    instead: ModelName | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Of a request of which no replica has seen anything yet."""

    ready: bool
    """Whether its model can answer by now."""
    hopeless: bool = False
    """It will not by itself: it failed to start, or an operator drains it."""
    waited_s: float = 0.0
    tries: int = 0
    """How often it was sent on since it had to wait."""
    tried_s: float = 0.0
    """Since it was sent on last."""
    crowded: bool = False
    """As many others wait as may."""
    other_ready: bool = False
    """Whether the model that stands in can answer it, in the mode that was decided."""


class Step(StrEnum):
    HOME = "home"
    """To its own model, again."""
    WAIT = "wait"
    INSTEAD = "instead"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    step: Step
    reason: str
    at_most_s: float = 0.0
    """Of waiting."""


def decide(policy: Policy, now: Situation) -> Decision:
    if not now.hopeless:
        left = policy.hold_for_s - now.waited_s
        may_try = now.tries < MOST_TRIES or (left > 0 and now.tried_s >= AGAIN_AFTER_S)
        if now.ready and may_try:
            return Decision(Step.HOME, "it is there again")
        if left > 0 and not now.crowded:
            return Decision(Step.WAIT, "it is away", left)
    why = _why(policy, now)
    if policy.instead is not None and now.other_ready:
        return Decision(Step.INSTEAD, why)
    return Decision(Step.REFUSE, why)


def _why(policy: Policy, now: Situation) -> str:
    if now.hopeless:
        return "it does not come back by itself"
    if policy.hold_for_s <= 0:
        return "nobody waits for it"
    return "it was waited for long enough" if now.waited_s >= policy.hold_for_s else "too many wait"


def most_waiting(concurrent_requests: int) -> int:
    return max(1, int(concurrent_requests * WAITING_SHARE))


def retry_after_s(own_s: int | None, other_s: int | None) -> int | None:
    """Whichever is there first answers the next try. None is what nobody knows."""
    return min((each for each in (own_s, other_s) if each is not None), default=None)
