"""The dashboards that are committed are those that the declarations make, and each panel helps."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.dashboards import BOARDS, MARKS, Board, Panel, text
from ops.metrics import EVERY

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "ops" / "dashboards", ROOT / "helm" / "bifocal" / "dashboards")
PANELS = [
    pytest.param(board, panel, id=f"{board.name}: {panel.title}")
    for board in BOARDS
    for panel in board.panels
]
SUFFIX = r"_(bucket|sum|count)$"
NAMES = {row.name for row in EVERY}

boards = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
panels = pytest.mark.parametrize(("board", "panel"), PANELS)


@boards
@pytest.mark.parametrize("folder", FOLDERS, ids=["here", "chart"])
def test_the_files_are_current(board: Board, folder: Path) -> None:
    assert (folder / f"{board.name}.json").read_text() == text(board), "python -m ops.dashboards"


@pytest.mark.parametrize("folder", FOLDERS, ids=["here", "chart"])
def test_no_file_is_left_of_a_board_that_is_gone(folder: Path) -> None:
    assert {file.stem for file in folder.glob("*.json")} == {board.name for board in BOARDS}


@panels
def test_a_panel_says_what_to_do(board: Board, panel: Panel) -> None:
    assert len(panel.shows) > 15
    assert len(panel.do) > 25
    for said in (panel.shows, panel.do):
        assert said.endswith((".", "`")), "whole sentences"


@panels
def test_a_query_reads_declared_series_alone(board: Board, panel: Panel) -> None:
    for line in panel.lines:
        read = set(re.findall(r"([a-zA-Z_:][\w:]*)\{", line.query.text))
        rows = {name if name in NAMES else re.sub(SUFFIX, "", name) for name in read}
        assert rows == {row.name for row in line.query.rows}
        assert rows <= NAMES


@panels
def test_a_legend_names_labels_that_its_series_have(board: Board, panel: Panel) -> None:
    for line in panel.lines:
        kept = re.search(r"by \(([^)]*)\)", line.query.text)
        has = set(kept[1].split(", ")) if kept else {"job", "instance"}
        assert set(re.findall(r"{{(\w+)}}", line.legend)) == has - {"le", ""} or not kept


@panels
def test_every_variable_of_a_label_is_heeded(board: Board, panel: Panel) -> None:
    for line in panel.lines:
        for selector in re.findall(r"\{([^}]*)\}", line.query.text):
            assert 'namespace=~"$namespace"' in selector
            assert "release=~" in selector


def test_titles_of_a_board_are_told_apart() -> None:
    for board in BOARDS:
        titles = [panel.title for panel in board.panels]
        assert len(titles) == len(set(titles))


@boards
def test_panels_lie_side_by_side(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(text(board))["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells
        taken |= cells


@boards
def test_a_board_has_variables_links_and_marks(board: Board) -> None:
    made: dict[str, Any] = json.loads(text(board))
    variables = [one["name"] for one in made["templating"]["list"]]
    assert variables == ["datasource", "namespace", "release", "model", "team"]
    assert [link["tags"] for link in made["links"]] == [["bifocal"]]
    assert "bifocal" in made["tags"]
    assert [mark["name"] for mark in made["annotations"]["list"]] == [m.title for m in MARKS]
    sources = {json.dumps(panel.get("datasource")) for panel in made["panels"]} - {"null"}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}


def test_what_needs_a_gpu_says_why() -> None:
    without = {panel.title for board in BOARDS for panel in board.panels if panel.needs}
    assert without == {"GPUs handed out", "Who holds what", "How busy", "Memory"}
