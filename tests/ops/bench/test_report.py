"""The JSON's keys are pinned: scripts read them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ops.bench.plot import draw
from ops.bench.report import Run, as_json, as_table
from ops.bench.values import (
    BARE,
    COMPARISONS,
    ENGINE_LOADS,
    GATEWAY,
    INGRESS,
    MOCK_GATEWAY,
    MOCK_LOADS,
    MOCK_PASSED,
    REPLICA,
    Measurement,
    Tally,
)

SPEEDS = {GATEWAY: 950.0, REPLICA: 1000.0, BARE: 1250.0, INGRESS: 400.0}
MOCK_SPEEDS = {MOCK_GATEWAY: 600.0, MOCK_PASSED: 1000.0}


def measured(name: str, load: str, round_: int, speed: float, lost: int = 0) -> Measurement:
    tally = Tally(
        seconds=5.0,
        answers=100,
        tokens_per_s=speed,
        requests_per_s=speed / 64,
        ttft_p50_ms=1e4 / speed,
        ttft_p99_ms=2e4 / speed,
        e2e_p50_ms=100.0,
        e2e_p99_ms=200.0,
        lost={"cut off": lost} if lost else {},
        cpu_s=0.1,
    )
    return Measurement(name, load, round_, tally, {"engine": 0.5, "load generator": 0.01})


def run(*, engines: bool = True, mock: bool = True, lost: int = 0) -> Run:
    rows = []
    for round_ in range(5):
        if engines:
            rows += [
                measured(name, load.name, round_, speed, lost)
                for load in ENGINE_LOADS
                for name, speed in SPEEDS.items()
            ]
        if mock:
            rows += [
                measured(name, load.name, round_, speed)
                for load in MOCK_LOADS
                for name, speed in MOCK_SPEEDS.items()
            ]
    return Run({"cores": 2}, {"rounds": 5}, tuple(rows))


def test_the_figures_stand_at_the_top_in_this_order() -> None:
    assert list(as_json(run())) == [
        "gateway_over_replica",
        "gateway_over_bare",
        "gateway_over_default_ingress",
        "ttft_added_ms",
        "mock_plain_over_passthrough",
        "mock_stream_over_passthrough",
        "lost_answers",
        "problems",
        "goals",
        "contenders",
        "machine",
        "settings",
        "measurements",
    ]


def test_the_figures_are_medians_of_paired_ratios() -> None:
    found = as_json(run())
    assert found["gateway_over_replica"] == pytest.approx(0.95)
    assert found["gateway_over_bare"] == pytest.approx(0.76)
    assert found["gateway_over_default_ingress"] == pytest.approx(2.375)
    assert found["ttft_added_ms"] == pytest.approx(1e4 / 950 - 10, abs=1e-3)
    assert found["mock_plain_over_passthrough"] == pytest.approx(0.6)


@pytest.mark.parametrize("part", ["engines", "mock"])
def test_what_was_not_run_is_null(part: str) -> None:
    found = as_json(run(engines=part == "engines", mock=part == "mock"))
    missing = {each.key for each in COMPARISONS if each.key.startswith("mock_") != (part == "mock")}
    assert {key for key, value in found.items() if value is None} == missing
    assert not missing & found["goals"].keys()


def test_a_goal_says_whether_it_is_reached_with_its_interval() -> None:
    goal = as_json(run())["goals"]["gateway_over_replica"]
    assert goal["reached"] is True
    assert as_json(run())["goals"]["gateway_over_bare"]["reached"] is False
    assert {"goal", "reached", "median", "low", "high", "confidence", "rounds"} <= goal.keys()


def test_a_contender_is_summed_up_by_medians_with_its_cpu_by_process() -> None:
    rows = as_json(run())["contenders"]
    row = next(r for r in rows if (r["contender"], r["load"]) == (GATEWAY, "busy"))
    assert row["tokens_per_s"] == pytest.approx(950)
    assert row["cpu_s_per_1000_tokens"] == {"engine": 0.5, "load generator": 0.01}
    assert row["answers"] == 500


def test_the_report_is_json() -> None:
    assert json.loads(json.dumps(as_json(run()))) is not None


def test_the_table_shows_goals_reached_and_missed() -> None:
    table = as_table(as_json(run()))
    assert "| 5 | 0.95 | 0.95 to 0.95 (94%) | >= 0.9 | reached |" in table
    assert "| 5 | 0.76 | 0.76 to 0.76 (94%) | >= 0.8 | **missed** |" in table
    assert "lost" not in table.splitlines()[0]
    # 950 tokens/s at (0.5 + 0.01) s of CPU for 1,000 of them, the load generator's own included.
    assert "| gateway | 950 | 14.8 | 10.5, 21.1 | 0.5: engine 0.5 | 0.48 | 0 |" in table


def test_lost_answers_stand_first() -> None:
    assert as_table(as_json(run(lost=1))).startswith("**40 answers were lost**")


def test_what_could_not_be_measured_is_told_beside_what_was() -> None:
    report = as_json(replace(run(engines=False), problems=("Ray did not start",)))
    assert as_table(report).startswith("**Not measured**: Ray did not start\n\n| figure")
    assert report["mock_plain_over_passthrough"] == pytest.approx(0.6)


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "bench.png"
    draw(as_json(run()), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("figure", "of", "load"),
    [
        (
            "gateway_over_replica",
            "tokens/s: gateway / replica",
            "streams of 64 tokens, concurrency 32",
        ),
        ("ttft_added_ms", "TTFT p50: gateway - replica", "streams of 64 tokens, concurrency 8"),
        (
            "mock_plain_over_passthrough",
            "requests/s: gateway, mock / pass-through, mock",
            "replies of 16 tokens, concurrency 32",
        ),
    ],
)
def test_each_figure_says_of_what_and_under_which_load_it_is(
    figure: str, of: str, load: str
) -> None:
    assert f"| {figure} | {of} | {load} | 5 | " in as_table(as_json(run()))
