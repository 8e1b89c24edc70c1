"""Bytes, as a person reads them: the same size has the same words wherever it is told."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3


def in_words(size: float) -> str:
    """In the unit in which a person has it: 1.5 GiB, 12.0 MiB."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / KIB:,.1f} KiB"
