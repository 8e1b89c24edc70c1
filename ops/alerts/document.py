"""`docs/alerts.md`, written from the rules; the timeline in it is what was seen.

python -m ops.alerts.document > docs/alerts.md
"""

from pathlib import Path
from typing import Final

from ops.alerts.promises import BURNS, MIN_BROKEN
from ops.alerts.rules import Alert
from ops.alerts.written import GROUPS

SEEN: Final = Path(__file__).with_name("stuck.md")
"""The timeline that `tests/watch/test_stuck.py` printed."""
HEAD: Final = """\
# Alerts

A cluster file promises: `slo` has, for each mode, the time to the first token, the time for each
one after it, and the share of requests that keep both; and the share that is answered at all
([config.md](config.md)). The gateway judges every request as it ends (`bifocal_promises_total`), so
what alerts watch is exact and at the operator's own numbers, and the rules are the same files
everywhere: `ops/alerts/*.yaml`, which the chart installs as PrometheusRules.

What may be broken in a month is a budget. Alerts say how fast it burns:

| severity | burns | over | and over | spends of the month's budget |
|---|---|---|---|---|
"""
LOW: Final = f"""
A window must also have seen {MIN_BROKEN} broken promises: at night three requests may be all there
are, and one that fails is no third of a service. (Windows and rates: Google's Site Reliability
Workbook, chapter 5.)

## All of them

Each page says what users notice, the first command, how to stop the bleeding and when it is over.

| alert | severity | holds for | what it says |
|---|---|---|---|
"""
STUCK: Final = """
## A stuck engine, as it was seen

`make test-watch` stops an engine (SIGSTOP) that has requests, with a real Prometheus that looks
every five seconds, and a real Alertmanager; then lets it go on. The pool's own watchdog is set
aside for it.

| since SIGSTOP | what |
|---|---|
"""
TAIL: Final = """
## Try them

`promtool test rules ops/alerts/tests/*.yaml` has, for each alert, a service that makes it fire and
one that does not; `make test-watch` runs them. On one machine:

```console
bifocal config prometheus > prometheus.yml
prometheus --config.file=prometheus.yml
```

with `rule_files: [ops/alerts/*.yaml]` in that file. On Kubernetes the chart brings rules, monitors
and boards where prometheus-operator is (`monitoring` in its values).
"""


def document() -> str:
    burns = "".join(
        f"| {b.severity} | {b.rate:g} x | {b.long} | {b.short} | {b.spends} |\n" for b in BURNS
    )
    alerts = {
        rule.name: rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)
    }
    lines = "".join(map(_line, alerts.values()))
    return f"{HEAD}{burns}{LOW}{lines}{STUCK}{SEEN.read_text('utf-8')}{TAIL}"


def _line(alert: Alert) -> str:
    page = f"[{alert.name}](../ops/runbooks/{alert.name}.md)"
    return f"| {page} | {alert.severity} | {alert.after or '-'} | {alert.impact} |\n"


if __name__ == "__main__":
    print(document(), end="")
