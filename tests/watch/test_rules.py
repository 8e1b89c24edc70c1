"""promtool's own judgement of the rules, and of the cases in which they fire."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from ops.alerts.promises import burn_name
from ops.dashboards import BOARDS
from tests.watch.panels import substituted
from tests.watch.stack import watch

RULES = Path(__file__).parents[2] / "ops" / "alerts"


def promtool(*arguments: str | Path) -> None:
    run = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@watch
def test_the_rules_can_be_read() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.yaml")))


@watch
def test_each_alert_fires_when_it_should_and_not_else() -> None:
    promtool("test", "rules", *sorted((RULES / "tests").glob("*.yaml")))


@watch
def test_a_board_shows_the_burn_that_alerts_watch(tmp_path: Path) -> None:
    shown, left = (_shown(title) for title in ("How fast the budget burns", "Budget left"))
    assert left == "1 - " + shown.replace("[1h]", "[30d]")
    same = f"abs({shown} - on (promise, model, thinking) {burn_name('1h')}) < bool 1e-9"
    (file := tmp_path / "same.yaml").write_text(yaml.safe_dump(_case(f"sum({same})", 2)))
    promtool("test", "rules", file)


def _shown(title: str) -> str:
    """The query of the panel whose title begins so."""
    (panel,) = (p for board in BOARDS for p in board.panels if p.title.startswith(title))
    return substituted(panel.lines[0].query.text)


def _case(expression: str, value: float) -> dict[str, Any]:
    """Two gateways count; thinking breaks 1 of 20 promises, the other mode 1 of 2."""
    objective = "bifocal_promise_objective"
    growth = {("on", "no"): 1, ("on", "yes"): 19, ("off", "no"): 5, ("off", "yes"): 5}
    series = {
        f'bifocal_promises_total{{promise="ttft", model="m", thinking="{thinking}", kept="{kept}", '
        f'instance="{gateway}"}}': f"0+{step}x90"
        for (thinking, kept), step in growth.items()
        for gateway in "ab"
    } | {
        f'{objective}{{promise="ttft", thinking="{thinking}", instance="{gateway}"}}': "0.99x90"
        for thinking in ("on", "off")
        for gateway in "ab"
    }
    asked = {"expr": expression, "eval_time": "70m", "exp_samples": [{"value": value}]}
    test = {
        "interval": "1m",
        "input_series": [{"series": of, "values": values} for of, values in series.items()],
        "promql_expr_test": [asked],
    }
    return {"rule_files": [str(RULES / "promises.yaml")], "tests": [test]}
