"""What follows from cold starts, and the page they become."""

from typing import Any

import pytest

from ops.bench.start import CONTENDERS, PLAIN, POOL, WITHOUT, Start, as_table, reached, report
from ops.bench.start_document import document

SECONDS = {PLAIN: (24.0, 20.0), WITHOUT: (20.0, 16.0), POOL: (12.0, 12.0)}
STEPS = {
    WITHOUT: ({"step": "imports", "begin_s": 1.0, "seconds": 5.0},),
    POOL: ({"step": "imports", "begin_s": 1.0, "seconds": 6.0},),
}


def starts(*, said: str = "19", without: str | None = None) -> list[Start]:
    return [
        Start(name, round_, seconds, seconds + 1, "19" if name != POOL else said,
              STEPS.get(name, ()))
        for name in CONTENDERS if name != without
        for round_, seconds in enumerate(SECONDS[name])
    ]  # fmt: skip


def test_ratios_are_taken_within_each_round() -> None:
    found = report(starts())
    assert found["start_over_plain"]["rounds"] == (0.5, 0.6)
    assert found["start_over_plain"]["median"] == pytest.approx(0.55)
    assert found["start_over_no_fork_server"]["rounds"] == (0.6, 0.75)
    assert found["first_answer_over_plain"]["rounds"] == (13 / 25, 13 / 21)
    assert reached(found)


@pytest.mark.parametrize(
    ("starts", "problems"),
    [
        pytest.param(starts(said="20"), [], id="another answer"),
        pytest.param(starts(), ["pool: ended"], id="one did not start"),
        pytest.param(starts(without=PLAIN), [], id="nothing to compare with"),
        pytest.param(
            [Start(PLAIN, 0, 10.0, 11.0, "", ()), Start(POOL, 0, 6.1, 7.0, "", ())], [], id="slow"
        ),
    ],
)
def test_a_goal_is_not_reached_by_chance(starts: list[Start], problems: list[str]) -> None:
    assert not reached(report(starts, problems))


def test_the_table_has_ratios_contenders_and_steps() -> None:
    text = as_table(report(starts(), ["something"]))
    assert "**Not measured**: something" in text
    assert "| start_over_plain | 0.55 | 0.50 to 0.60 (50%) | <= 0.6: reached |" in text
    assert f"| {PLAIN} | 22.0 | 24.0, 20.0 | 23.0 |" in text
    assert "| imports | 5.0 | 6.0 |" in text


@pytest.mark.parametrize(("said", "words"), [("19", "were the same"), ("20", "**not the same**")])
def test_the_page_says_whether_all_answered_alike(said: str, words: str) -> None:
    found: dict[str, Any] = report(starts(said=said))
    found["settings"] = {"model": "pocket-dense", "rounds": 2}
    found["machine"] = {
        "at": "2026-11-24T12:00:00Z", "cores": 2, "cpu": "EPYC", "memory_gib": 23.5,
        "python": "3.11.7", "busy_cores_before": 1.9,
    }  # fmt: skip
    page = document(found)
    assert words in page
    assert "pocket-dense, 2 rounds" in page
    assert "The machine was busy" in page
