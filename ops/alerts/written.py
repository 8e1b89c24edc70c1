"""The rules as files."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from ops.alerts.pools import POOLS
from ops.alerts.promises import PROMISES

GROUPS: Final = (PROMISES, POOLS)
HEAD: Final = "# Written by `python -m ops.alerts`.\n"


def written() -> Mapping[str, str]:
    """The text of each file, by its name."""
    return {f"{group.name}.yaml": HEAD + _text(group.document()) for group in GROUPS}


def _text(document: dict[str, Any]) -> str:
    """Long expressions stay on one line, as people search for them."""
    return yaml.safe_dump(document, sort_keys=False, width=10_000)
