"""What an upgrade does to one part of a release, and how bad that is."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    NUMBERS = "numbers"
    """More or fewer of the same; nothing else is touched."""
    IN_PLACE = "in place"
    """Nothing is restarted."""
    LATER = "later"
    """With the next cluster, whatever builds it."""
    ONE_AT_A_TIME = "one at a time"
    SURGE = "surge"
    ANNOUNCED = "announced"
    """Its only replica leaves first: away for a while."""
    BLUE_GREEN = "blueGreen"
    RECREATE = "recreate"
    """Drained, away, started."""
    ROLLED = "rolled"
    READ_AGAIN = "read again"
    PULLED = "pulled"
    MADE = "made"
    MOVED = "moved"
    """To another group: away until it is loaded there."""
    REMOVED = "removed"
    REFUSED = "refused"
    """It cannot be done."""


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    """`pool qwen3-8b`, `group l40s`, `gateway`."""
    kind: Kind
    says: str
    """What happens and what it costs."""
    because: tuple[str, ...] = ()
    """Where the two sides differ."""
    away_s: int = 0
    """About how long nobody of it answers, once answers under way have finished."""
    drains_s: int = 0
    """How long these may take before."""
    away: tuple[str, ...] = ()
    """Pools that do not answer for so long; for good where `away_s` is 0."""
    left: bool = False
    """Whether somebody is left without an answer: no stand-in has it meanwhile."""
