"""Writes the rules: into this folder, and into the chart.

python -m ops.alerts
"""

from pathlib import Path

from ops.alerts import written

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "helm" / "bifocal" / "rules"

for folder in (HERE, CHART):
    folder.mkdir(exist_ok=True)
    for name, text in written().items():
        (folder / name).write_text(text, "utf-8")
