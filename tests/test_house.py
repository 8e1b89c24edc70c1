"""The drawing of the house is the house."""

from pathlib import Path

from tests.house import draw, rooms_and_arrows

DRAWING = Path(__file__).parent.parent / "docs" / "house.md"


def test_the_drawing_is_current() -> None:
    assert DRAWING.read_text() == draw(), "run: python -m tests.house > docs/house.md"


def test_no_two_rooms_import_each_other() -> None:
    _, arrows = rooms_and_arrows()
    assert not {(a, b) for a, b in arrows if (b, a) in arrows}
