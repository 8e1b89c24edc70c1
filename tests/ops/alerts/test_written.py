"""The rules as they lie there: what their source says, each with its page and its test."""

import re
from pathlib import Path

import pytest
import yaml

from ops.alerts import GROUPS, Alert, written
from ops.alerts.document import document
from ops.alerts.promises import BURNS
from ops.alerts.rules import series
from ops.metrics import table

ROOT = Path(__file__).parents[3]
RULES = ROOT / "ops" / "alerts"
ALERTS = [rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)]
NAMES = sorted({alert.name for alert in ALERTS})
CASES = [
    case
    for file in (RULES / "tests").glob("*.yaml")
    for test in yaml.safe_load(file.read_text())["tests"]
    for case in test.get("alert_rule_test", ())
]


@pytest.mark.parametrize("folder", ["ops/alerts", "helm/bifocal/rules"])
def test_the_files_are_what_their_source_says(folder: str) -> None:
    there = {path.name: path.read_text() for path in (ROOT / folder).glob("*.yaml")}
    assert there == dict(written()), "run: python -m ops.alerts"


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_page_that_helps(name: str) -> None:
    page = (ROOT / "ops" / "runbooks" / f"{name}.md").read_text()
    parts = re.findall(r"^## (.+)$", page, re.MULTILINE)
    for part in ("Impact", "First command", "Stop the bleeding", "Over when"):
        assert part in parts


def test_no_page_is_left_without_its_alert() -> None:
    assert sorted(path.stem for path in (ROOT / "ops" / "runbooks").glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_is_seen_to_fire_and_not_to(name: str) -> None:
    fired = [bool(case["exp_alerts"]) for case in CASES if case["alertname"] == name]
    # An alert on a date needs no quiet case of its own: the other team's key is one.
    assert True in fired
    assert False in fired or name in ("BifocalKeyExpires", "BifocalEngineMetricsGone")


def test_the_burn_rates_are_those_of_the_workbook() -> None:
    windows = {(burn.severity.value, burn.rate, burn.long, burn.short) for burn in BURNS}
    assert windows == {
        ("page", 14.4, "1h", "5m"),
        ("page", 6, "6h", "30m"),
        ("ticket", 3, "1d", "2h"),
        ("ticket", 1, "3d", "6h"),
    }


def test_a_burn_spends_what_it_says_of_a_month() -> None:
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}
    for burn in BURNS:
        assert f"{burn.rate * hours[burn.long] / (30 * 24):.0%}".replace("%", " %") == burn.spends


def test_a_label_that_a_metric_does_not_have_is_refused() -> None:
    assert series(table.POOL_REPLICAS, state="ready") == 'bifocal_pool_replicas{state="ready"}'
    with pytest.raises(ValueError, match="has no label team"):
        series(table.POOL_REPLICAS, team="red")


def test_the_page_of_alerts_is_current() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    assert page == document(), "run: python -m ops.alerts.document > docs/alerts.md"
