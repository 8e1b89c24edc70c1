"""What a replica's door says of its engine in a response header."""

import re
from typing import Final

from serving.values import Load

HEADER: Final = "x-bifocal-load"
_TOLD: Final = re.compile(r"running=(\d{1,9});waiting=(\d{1,9});kv=(\d{1,9}(?:\.\d{1,9})?)(?:;.*)?")
"""Python refuses to read a number of very many digits, and not everyone who says one is a door."""


def parse_load(text: str | None) -> Load | None:
    """`running=1;waiting=0;kv=0.125`; None for anything else, as a fixed target may have no door.

    What a later door adds behind is passed over.
    """
    told = None if text is None else _TOLD.fullmatch(text)
    return None if told is None else Load(int(told[1]), int(told[2]), float(told[3]))
