"""How a person sees the pools' way to readiness."""

import io
from typing import Any

from rich.console import Console

from deploy.local.phases import Phase, PoolStatus
from deploy.local.report import LiveReport, PlainReport, for_terminal
from serving.values import ModelName


def status(phase: Phase, name: str = "pocket-dense", **more: Any) -> PoolStatus:
    return PoolStatus(ModelName(name), phase, **more)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_tell_each_change_once_with_the_time() -> None:
    lines: list[str] = []
    clock = Clock()
    report = PlainReport(lines.append, clock)
    for seconds, phase in [
        (0, Phase.PLACING),
        (3, Phase.PLACING),
        (5, Phase.STARTING),
        (30, Phase.READY),
    ]:
        clock.now = 100.0 + seconds
        report.pools([status(phase)])
    assert lines == [
        "   0.0 s  pocket-dense: placing",
        "   5.0 s  pocket-dense: starting engine",
        "  30.0 s  pocket-dense: ready",
    ]


def test_how_far_weights_are_is_a_line_now_and_then_and_that_they_are_held_is_one_at_once() -> None:
    lines: list[str] = []
    clock = Clock()
    report = PlainReport(lines.append, clock)
    for seconds, note, held in [
        (0, "10%", False),
        (5, "20%", False),
        (10, "30%", False),
        (11, "no hub", True),
        (30, "no hub", True),
    ]:
        clock.now = 100.0 + seconds
        report.pools([status(Phase.FETCHING, note=note, held=held)])
    assert [line[10:] for line in lines] == [
        "pocket-dense: fetching weights: 10%",
        "pocket-dense: fetching weights: 30%",
        "pocket-dense: fetching weights: no hub",
    ]


def test_live_lines_show_every_pool_and_its_seconds() -> None:
    screen = io.StringIO()
    clock = Clock()
    report = LiveReport(Console(file=screen, force_terminal=True, width=80), clock)
    report.pools([status(Phase.STARTING), status(Phase.PLACING, "pocket-moe")])
    clock.now += 12
    report.pools([status(Phase.READY), status(Phase.PLACING, "pocket-moe")])
    report.close()
    shown = screen.getvalue()
    assert "starting engine" in shown
    assert "ready" in shown
    assert "12 s" in shown


def test_live_lines_show_how_far_weights_are() -> None:
    screen = io.StringIO()
    report = LiveReport(Console(file=screen, force_terminal=True, width=80), Clock())
    report.pools([status(Phase.FETCHING, note="10% of [1] GiB")])
    report.close()
    assert "10% of [1] GiB" in screen.getvalue()


def test_a_terminal_gets_live_lines_and_a_file_plain_ones() -> None:
    assert isinstance(for_terminal(Console(file=io.StringIO())), PlainReport)
    assert isinstance(for_terminal(Console(file=io.StringIO(), force_terminal=True)), LiveReport)
