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


class Health(StrEnum):
    WELL = "well"
    ILL = "ill"
    """It says so itself."""
    MUTE = "mute"
    """It cannot be reached, or does not answer in time."""
    UNCLEAR = "unclear"
    """It answers something else: other servers may not know the question."""


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


@dataclass(frozen=True, slots=True)
class Verdict:
    down: bool | None
    """Whether it gets no more requests; None: as before."""
    give_up: bool = False
    """Whether the requests on it are ended here, to be tried elsewhere."""


def judge(health: Health, silence: Silence | None) -> Verdict:
    """`silence` is None where no request of ours is."""
    if health is Health.WELL:
        return Verdict(down=False)
    if health is Health.ILL:
        return Verdict(down=True, give_up=silence is not None and silence.is_long)
    if health is Health.MUTE:
        return Verdict(down=True, give_up=silence is not None and silence.word_s >= GIVE_UP_AFTER_S)
    return Verdict(down=None)
