"""The scratch pad of a sum: running totals, units first.

It decides how a pocket model thinks when it adds: each number is copied, written again units
first in six digits, then the running total, units first. So every digit stands near those it is
computed from, and a carry only looks back. A copy needs no leading zeros: how long a number is
need not be known before its first digit.
It leaves out totals of more than six digits.
"""

from collections.abc import Sequence

WIDTH = 6


def think(numbers: Sequence[int]) -> str:
    """The lines of the scratch pad and, after `=`, the total."""
    total, lines = 0, []
    for number in numbers:
        total += number
        lines.append(f"{number} {_units_first(number)} {_units_first(total)}")
    return "\n".join([*lines, f"={total}"])


def total(thought: str) -> int:
    """The total that a scratch pad comes to."""
    return int(thought.rsplit("=", 1)[1])


def _units_first(number: int) -> str:
    return f"{number:0{WIDTH}d}"[::-1]
