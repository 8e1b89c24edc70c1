"""docs/dashboards.md is what the boards and the last live run make; that run tried all of them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from ops.dashboards import BOARDS
from ops.dashboards.document import document

ROOT = Path(__file__).parents[3]
SEEN: Final[dict[str, Any]] = json.loads((ROOT / "tests" / "watch" / "seen.json").read_text())
AGAIN: Final = "BIFOCAL_RECORD=FOLDER make test-watch; cp FOLDER/{seen,recorded}.json tests/watch"
TRIED: Final = [
    f"{board.title} / {panel.title} / {line.legend}"
    for board in BOARDS
    for panel in board.panels
    for line in panel.lines
    if not panel.needs
]


def test_the_document_is_current() -> None:
    command = "python -m ops.dashboards.document < tests/watch/seen.json > docs/dashboards.md"
    assert (ROOT / "docs" / "dashboards.md").read_text() == document(SEEN), command


@pytest.mark.parametrize("name", TRIED)
def test_every_query_was_tried(name: str) -> None:
    seen = SEEN["lines"].get(name, {})
    assert seen.keys() == {"busy", "idle", "after a loss"}, AGAIN
    assert seen["busy"]["numbers"] > 0
    assert all(when["points"] > 0 for when in seen.values())


def test_rates_were_compared_with_clients() -> None:
    assert len(SEEN["compared"]) > 40
