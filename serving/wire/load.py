"""What a replica's door says of its engine in a response header."""

from typing import Final

from serving.values import Load

HEADER: Final = "x-bifocal-load"


def parse_load(text: str | None) -> Load | None:
    """`running=1;waiting=0;kv=0.125`; None for anything else, as a fixed target may have no door.

    What a later door adds is passed over.
    """
    if not text:
        return None
    try:
        told = dict(part.split("=", 1) for part in text.split(";"))
        return Load(int(told["running"]), int(told["waiting"]), float(told["kv"]))
    except (KeyError, ValueError):
        return None
