"""Where this machine keeps what can be had again: weights, and what engines compile."""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(env: Mapping[str, str]) -> Path:
    """The place that the desktop's conventions give."""
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bifocal"
