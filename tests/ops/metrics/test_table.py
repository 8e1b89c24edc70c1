"""Every row of the table keeps Prometheus' conventions and says what it counts."""

import re
from pathlib import Path

import pytest

from ops.metrics import TABLE, Kind, Metric
from ops.metrics.reference import document
from serving.config import Slo
from serving.values import Mode

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"

rows = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


@rows
def test_every_row_has_a_unit_and_a_meaning(row: Metric) -> None:
    assert row.unit
    assert len(row.meaning) > 20


@rows
def test_names_carry_the_prefix_and_the_unit(row: Metric) -> None:
    assert re.fullmatch(r"bifocal_[a-z_]+", row.name)
    assert row.name.endswith("_total") == (row.kind is Kind.COUNTER)
    assert row.name.endswith("_seconds") == (row.unit == "seconds")


@rows
def test_buckets_belong_to_histograms_and_rise(row: Metric) -> None:
    assert bool(row.buckets) == (row.kind is Kind.HISTOGRAM)
    assert list(row.buckets) == sorted(set(row.buckets))


def test_no_name_is_used_twice() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("mode", Mode)
def test_the_promises_of_the_defaults_are_bounds_of_buckets(mode: Mode) -> None:
    promise = Slo().of(mode)
    bounds = {row.name: row.buckets for row in TABLE}
    assert promise.ttft in bounds["bifocal_time_to_first_token_seconds"]
    assert promise.tpot in bounds["bifocal_time_per_output_token_seconds"]


def test_the_document_is_current() -> None:
    command = "python -m ops.metrics.reference > docs/metrics.md"
    assert DOCUMENT.read_text() == document(), f"run: {command}"
