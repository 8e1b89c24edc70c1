"""What a rule is, and how expressions are put together. No rule is decided here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ops.metrics.table import Metric

RUNBOOKS: Final = "ops/runbooks"
AWAY: Final = "without (instance, pod, container, endpoint, job)"
"""What tells gateways of one service apart. A namespace, where there is one, stays."""


class Severity(StrEnum):
    PAGE = "page"
    """Someone gets up."""
    TICKET = "ticket"
    """Someone looks at it in daylight."""


@dataclass(frozen=True, slots=True)
class Record:
    """A series that others are made of."""

    name: str
    expression: str

    def rule(self) -> dict[str, Any]:
        return {"record": self.name, "expr": self.expression}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Its page in `ops/runbooks` bears its name."""

    name: str
    severity: Severity
    expression: str
    summary: str
    """With the labels of the series that fires; read on a telephone."""
    impact: str
    """What users notice."""
    after: str = ""
    """How long it must hold, such as `5m`."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expression}
        if self.after:
            rule["for"] = self.after
        rule["labels"] = {"severity": self.severity.value, **self.labels}
        rule["annotations"] = {
            "summary": self.summary,
            "description": self.impact,
            "runbook_url": f"{RUNBOOKS}/{self.name}.md",
        }
        return rule


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other; written into a file of its name."""

    name: str
    rules: tuple[Record | Alert, ...]

    def document(self) -> dict[str, Any]:
        return {
            "groups": [{"name": f"bifocal-{self.name}", "rules": [r.rule() for r in self.rules]}]
        }


def series(metric: Metric | str, **labels: str) -> str:
    """The metric with these labels; a declared one knows which it has."""
    if isinstance(metric, str):
        name = metric
    else:
        name = metric.name
        if unknown := labels.keys() - set(metric.labels):
            msg = f"{name} has no label {', '.join(sorted(unknown))}"
            raise ValueError(msg)
    chosen = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{chosen}}}" if chosen else name
