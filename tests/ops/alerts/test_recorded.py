"""What the tests of rules pretend to scrape is what a live service has told."""

import json
import re
from pathlib import Path

import pytest
import yaml

from ops.alerts import GROUPS, Record

ROOT = Path(__file__).parents[3]
KNOWN: dict[str, list[str]] = json.loads((ROOT / "tests/watch/recorded.json").read_text())[
    "metrics"
]
MADE = {rule.name for group in GROUPS for rule in group.rules if isinstance(rule, Record)}
"""By rules themselves."""
SERIES = {
    line["series"]
    for file in sorted((ROOT / "ops/alerts/tests").glob("*.yaml"))
    for test in yaml.safe_load(file.read_text())["tests"]
    for line in test["input_series"]
}
EXPRESSIONS = [rule.expression for group in GROUPS for rule in group.rules]


def strange(series: str) -> str | None:
    """What of it no live scrape has had."""
    name, _, labels = series.partition("{")
    if name not in KNOWN:
        return name
    unknown = set(re.findall(r"(\w+)\s*=", labels)) - set(KNOWN[name])
    return f"{name}: {', '.join(sorted(unknown))}" if unknown else None


@pytest.mark.parametrize("series", sorted(SERIES))
def test_each_series_of_a_rules_test_is_one_of_a_live_scrape(series: str) -> None:
    assert strange(series) is None, "mend the test, or record it: BIFOCAL_RECORD in tests/watch"


@pytest.mark.parametrize(
    ("series", "told"),
    [
        ('bifocal_promises_total{kept="no", region="eu"}', "bifocal_promises_total: region"),
        ("vllm:generation_tokens{}", "vllm:generation_tokens"),
        ("bifocal_promise_objective", None),
    ],
)
def test_what_nobody_has_scraped_is_told(series: str, told: str | None) -> None:
    assert strange(series) == told


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_rule_reads_what_a_live_scrape_has(expression: str) -> None:
    named = set(re.findall(r"\b(?:bifocal|vllm)[_:][\w:]+", expression))
    assert named
    assert named - MADE <= KNOWN.keys()
