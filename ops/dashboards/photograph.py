"""Pictures of the boards, taken by Chromium of the pages that `ops.dashboards.picture` draws.

    python -m ops.dashboards.photograph drawn.json FOLDER [BOARD ...]

Chromium is Debian's; the data is what `BIFOCAL_RECORD=FOLDER make test-watch` writes. Colours are
cut to a palette, so that a picture weighs what a page of text does.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

from ops.dashboards import BOARDS
from ops.dashboards.picture import page, size

PALETTE: Final = 160
BROWSER: Final = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--hide-scrollbars",
)  # fmt: skip


def photograph(html: str, width: int, height: int, to: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "page.html").write_text(html)
        options = (
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{height}",
            f"--screenshot={to}",
        )
        line = (*BROWSER, *options, file.as_uri())
        subprocess.run(line, check=True, capture_output=True, timeout=120)  # noqa: S603 - ours
    with Image.open(to) as taken:
        taken.convert("RGB").quantize(PALETTE).save(to, optimize=True)


def main(drawn: Path, folder: Path, *names: str) -> None:
    data = json.loads(drawn.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        if not names or board.name in names:
            photograph(page(board, data), *size(board), (folder / f"{board.name}.png").resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
