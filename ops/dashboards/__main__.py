"""Writes the dashboards: into this folder, and into the chart.

python -m ops.dashboards
"""

from pathlib import Path

from ops.dashboards import BOARDS, text

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "helm" / "bifocal" / "dashboards"

for folder in (HERE, CHART):
    folder.mkdir(exist_ok=True)
    for board in BOARDS:
        (folder / f"{board.name}.json").write_text(text(board), "utf-8")
