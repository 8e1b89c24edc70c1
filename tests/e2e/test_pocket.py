"""The pocket models sit their exam through the gateway: thinking must be what gets sums right.

The exam's own goals decide `bifocal pocket eval`'s exit code. What is held here is the ground that
has been won, less what sampling and chance may take from it.
"""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Service

pytestmark = pytest.mark.engine

PROBLEMS = 200
FLOORS = {
    ("easy", "pocket-dense"): 0.95,
    ("easy", "pocket-moe"): 0.95,
    # The goal of 95 % is reached by a hair: of 200 questions four more may go wrong by chance.
    ("hard", "pocket-moe"): 0.93,
    ("tool", "pocket-dense"): 0.90,
    ("tool", "pocket-moe"): 0.95,
}
"""By row and model, for all but sums that are answered without thinking."""
AT_ONCE = 0.10
"""The most that may be right of hard sums when they are answered without thinking."""


@pytest.fixture(scope="module")
def cells(service: Service) -> list[dict[str, Any]]:
    done = service.command(
        "pocket", "eval", "--json", "--problems", str(PROBLEMS), "--url", service.url, timeout_s=880
    )
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["cells"]
    return found


@pytest.mark.timeout(900)
def test_every_row_keeps_its_ground(cells: list[dict[str, Any]]) -> None:
    assert len(cells) == 9
    for cell in cells:
        print(cell["row"], cell["column"], cell["accuracy"], cell["by_subject"])
        if cell["row"] != "hard" or cell["column"]["thinking"]:
            assert cell["accuracy"] >= FLOORS[cell["row"], cell["column"]["model"]], cell


def test_hard_sums_need_thinking(cells: list[dict[str, Any]]) -> None:
    at_once = [c for c in cells if c["row"] == "hard" and not c["column"]["thinking"]]
    assert len(at_once) == 2
    assert all(cell["accuracy"] <= AT_ONCE for cell in at_once)
