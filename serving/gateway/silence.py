"""What becomes of a replica that failed or fell silent, by what it says when it is asked how it is.

Pure. Silence alone proves nothing: a whole answer comes at its end, and a long prefill or a tool
call that is held back say nothing for long. So whoever is silent is asked, and its door knows
whether its engine takes steps. When to ask again is `refresh`'s to say.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ASK_AFTER_S: Final = 3.0
"""Requests are there and none of them has said a byte for so long. To ask is cheap."""
GIVE_UP_AFTER_S: Final = 30.0
"""One that does not even say how it is may be starved of processor time, and is not dead for it:
Serve, too, gives its replicas so long."""


UNREACHED_FOR_S: Final = 8.0
"""And one whose node accepts no connection, which its system would do however busy it is: longer
than a network takes to mend itself, or this process to come to its turn."""


class Health(StrEnum):
    WELL = "well"
    ILL = "ill"
    """It says so itself."""
    GONE = "gone"
    """Nobody listens there, or the connection broke."""
    MUTE = "mute"
    """It does not answer in time."""
    UNREACHED = "unreached"
    """Nor does its node."""
    UNCLEAR = "unclear"
    """It answers something else: other servers may not know the question, or ask for a key."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Of a replica with requests of ours, in seconds."""

    byte_s: float
    """Since any of them said a byte, or since the first of them began."""
    word_s: float
    """Since it said anything, that it is well included."""

    @property
    def is_long(self) -> bool:
        return self.byte_s >= ASK_AFTER_S


class Standing(StrEnum):
    """Whether a replica gets requests."""

    WELL = "well"
    DOUBTFUL = "doubtful"
    """Only if there is no other."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Verdict:
    standing: Standing
    give_up: bool = False
    """Whether the requests on it are ended here, to be tried elsewhere."""


def judge(health: Health, silence: Silence | None) -> Verdict:
    """`silence` is None where no request of ours is. One that is late may only be starved, and is
    better than none, until it has been silent for too long."""
    too_long = silence is not None and silence.word_s >= GIVE_UP_AFTER_S
    match health:
        case Health.WELL | Health.UNCLEAR:  # whoever is there to say anything is tried again
            return Verdict(Standing.WELL)
        case Health.ILL:
            return Verdict(Standing.DOWN, give_up=silence is not None and silence.is_long)
        case Health.GONE:
            return Verdict(Standing.DOWN, give_up=too_long)
        case Health.MUTE:
            return Verdict(Standing.DOWN if too_long else Standing.DOUBTFUL, give_up=too_long)
        case Health.UNREACHED:
            cut_off = silence is not None and silence.word_s >= UNREACHED_FOR_S
            return Verdict(Standing.DOWN if cut_off else Standing.DOUBTFUL, give_up=cut_off)
