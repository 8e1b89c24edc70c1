"""The page that a run becomes."""

from typing import Any

import pytest

from ops.bench.document import document
from ops.bench.report import as_json
from tests.ops.bench.test_report import run


def page(load_before: float) -> str:
    report: dict[str, Any] = as_json(run())
    report["machine"] = {
        "at": "2026-11-24T12:00:00Z",
        "cores": 2,
        "cpu": "EPYC",
        "memory_gib": 23.5,
        "python": "3.11.7",
        "load_before": load_before,
    }
    report["settings"] = {"model": "pocket-dense", "rounds": 5, "seconds": 5.0}
    return document(report)


def test_it_says_where_and_how_and_shows_the_figures() -> None:
    text = page(0.1)
    assert "2 cores (EPYC), 23.5 GiB" in text
    assert "pocket-dense, 5 rounds of 5 s" in text
    assert "| gateway_over_replica | 0.95 |" in text


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (1.0, False), (7.0, True)])
def test_a_busy_machine_is_told(load: float, warned: bool) -> None:
    assert ("figures below are noise" in page(load).replace("\n", " ")) is warned
