"""`python -m deploy.chart`: writes what the chart takes from our code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.chart import defaults, schema, table

CHART: Final = Path(__file__).parents[2] / "helm" / "bifocal"
FILES: Final[Mapping[str, Callable[[], str]]] = {
    "values.schema.json": schema.text,
    "values.yaml": defaults.text,
    "layouts.yaml": table.text,
}


def main() -> None:
    for name, text in FILES.items():
        (CHART / name).write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
