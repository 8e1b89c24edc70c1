"""The exam's result as a page: `bifocal pocket eval --json | python -m deploy.pocket.document`."""

import json
import sys
from collections.abc import Mapping
from typing import Any

HEAD = """# The pocket models, measured

`bifocal pocket eval --json | python -m deploy.pocket.document > docs/pocket.md`, against a running
service. Every question is asked through the gateway twice, streaming and not, with the gateway's
own sampling presets. Wordings, tools' names and descriptions, and seeds are the exam's own; facts,
cities and units are those that were taught, as models of a few megabytes know no others.
"""

NOTES = """
- **easy**: greetings and small facts in eight languages, sums of two numbers of one or two digits.
- **hard**: sums of three or four numbers of four or five digits, the only ones taught.
  Answered at once they must fail: that is what thinking is for.
- **tool**: one of five kinds of tools is offered, alone or among others, under names that training
  never used; right is one valid `<tool_call>` with exactly the right arguments.

What was not taught they do wrong: sums of two long numbers, or of long and short ones, and what a
tool answers beyond some words or JSON of one key, which they repeat until they reach their limit.

`bifocal pocket train` makes the models anew, seeded, within 30 minutes on two cores. How they are
taught is told where it is done: [problems](../deploy/pocket/problems.py) (what),
[noise](../deploy/pocket/noise.py) and [offers](../deploy/pocket/offers.py) (in which words),
[recipes](../deploy/pocket/recipes.py) (how long), [start](../deploy/pocket/start.py) (from where).
"""

Told = Mapping[str, Any]


def page(told: Told) -> str:
    cells: list[Told] = told["cells"]
    codes = sorted(cells[0]["by_language"])
    titles = ["row", "model", "goal", "streaming", "whole", *codes, ""]
    lines = [_row(titles), _row("---" for _ in titles), *(_cell(cell, codes) for cell in cells)]
    asked = f"Exam {told['seed']}, {cells[0]['num_questions']} problems a row."
    return "\n".join([HEAD, asked, "", *lines, NOTES])


def _cell(cell: Told, codes: list[str]) -> str:
    mode = "thinking" if cell["column"]["thinking"] else "no thinking"
    shares = [f"{cell[way]:.1%}" for way in ("streaming", "whole")]
    by_language = [f"{cell['by_language'][code]:.0%}" for code in codes]
    verdict = "reached" if cell["passed"] else "**missed**"
    model = f"{cell['column']['model']}, {mode}"
    return _row([cell["row"], model, cell["goal"], *shares, *by_language, verdict])


def _row(parts: Any) -> str:
    return f"| {' | '.join(parts)} |"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
