"""What the doctor finds: one line a check, with what was seen and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and something about it will hurt."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    verdict: Verdict
    seen: str
    remedy: str | None = None
    """What to do, where there is something to do."""
    node: str | None = None
    """None for what is of no one node."""


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """JSON-ready."""
    found = list(findings)
    return {"ok": is_fine(found), "findings": [asdict(each) for each in found]}


def text(findings: Iterable[Finding]) -> str:
    """For people: what is wrong stands out by its first word."""
    return "\n".join(line for each in findings for line in _lines(each))


def is_fine(findings: Iterable[Finding]) -> bool:
    return all(each.verdict is not Verdict.FAIL for each in findings)


def _lines(finding: Finding) -> Iterable[str]:
    where = f"{finding.node}: " if finding.node else ""
    yield f"{finding.verdict:<5} {finding.check:<14} {where}{finding.seen}"
    if finding.remedy:
        yield f"{'':<20} {finding.remedy}"
