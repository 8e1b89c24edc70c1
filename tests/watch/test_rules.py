"""promtool's own judgement of the rules, and of the cases in which they fire."""

import subprocess
from pathlib import Path

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
