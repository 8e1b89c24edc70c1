"""How far a download is and how long it takes yet, as a person reads it. Pure."""

from dataclasses import dataclass
from typing import Self

from serving.sizes import in_words


@dataclass(frozen=True, slots=True)
class Pace:
    """Since when it is watched, in seconds, and what was on the disk then, in bytes."""

    began: float
    had: int

    @classmethod
    def since(cls, before: "Self | None", now: float, done: int) -> "Self":
        return before or cls(now, done)

    def words(self, now: float, done: int, total: int) -> str:
        """`40% of 15.27 GiB, 101.2 MiB/s, 2 min left`"""
        rate = (done - self.had) / max(now - self.began, 0.001)
        left = f", {(total - done) / rate / 60:.0f} min left" if rate and done < total else ""
        share = f"{done / total:.0%}" if total else "100%"
        speed = f", {in_words(int(rate))}/s" if rate else ""
        return f"{share:>4} of {in_words(total)}{speed}{left}"
