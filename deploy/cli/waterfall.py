"""The steps of a start below each other, each drawn where it began."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

WIDTH: Final = 32


def bars(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of `serving.pools.start.Took`, as JSON has them; the whole first. One that took less than a
    character's share is drawn as a line."""
    total = steps[-1]["begin_s"] + steps[-1]["seconds"] if steps else 0.0
    if not total:  # a clock that was set back takes all of it
        return
    longest = max(len(step["step"]) for step in steps)
    yield f"{'start':{longest}}  {total:6.1f} s"
    for step in steps:
        at = round(step["begin_s"] / total * WIDTH)
        to = round((step["begin_s"] + step["seconds"]) / total * WIDTH)
        bar = " " * at + ("█" * (to - at) or "▏")
        yield f"{step['step']:{longest}}  {step['seconds']:6.1f} s  {bar}"
