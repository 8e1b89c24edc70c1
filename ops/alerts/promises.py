"""How fast the budget of a promise burns, over several windows at once.

A promise kept by 99 % of requests leaves 1 % a month to break. A burn rate of 1 uses that up in
just a month, one of 14.4 takes 2 % of it in an hour. Each alert looks at a long window, so that
a hiccup rings no bell, and at a short one, so that the bell stops when it is over. Windows and
rates are those of Google's Site Reliability Workbook, chapter 5 (table 5-8).

Low traffic: where three requests a night are all there are, one that fails is a third of them.
So a window must also have seen MIN_BROKEN broken promises, whatever their share.
"""

from dataclasses import dataclass
from typing import Final

from ops.alerts.rules import AWAY, Alert, Group, Record, Severity, series
from ops.metrics import table

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
MIN_BROKEN: Final = 5
"""Requests that broke the promise within the long window before anyone is called."""


@dataclass(frozen=True, slots=True)
class Burn:
    """So much faster than the budget allows, over both windows."""

    severity: Severity
    rate: float
    long: str
    short: str
    spends: str
    """Of a month's budget in the long window."""


BURNS: Final = (
    Burn(Severity.PAGE, 14.4, "1h", "5m", "2 %"),
    Burn(Severity.PAGE, 6, "6h", "30m", "5 %"),
    Burn(Severity.TICKET, 3, "1d", "2h", "10 %"),
    Burn(Severity.TICKET, 1, "3d", "6h", "10 %"),
)
NAMES: Final = {Severity.PAGE: "BifocalPromiseBurns", Severity.TICKET: "BifocalPromiseErodes"}


def burn_name(window: str) -> str:
    """The series of the burn rate over this window, by promise, model and thinking."""
    return f"bifocal:promise_burn:{window}"


def _burn(window: str) -> str:
    """Broken of all, over what may be. No traffic is no number, which compares as false."""
    no = series(table.PROMISES, kept="no")
    broken = f"sum {_away('kept')} (rate({no}[{window}]))"
    asked = f"sum {_away('kept')} (rate({table.PROMISES.name}[{window}]))"
    budget = f"(1 - max {AWAY} ({table.OBJECTIVE.name}))"
    return f"{broken} / {asked} / on (promise, thinking, namespace) group_left () {budget}"


def _alert(burn: Burn) -> Alert:
    no = series(table.PROMISES, kept="no")
    enough = f"sum {_away('kept')} (increase({no}[{burn.long}])) >= {MIN_BROKEN}"
    return Alert(
        NAMES[burn.severity],
        burn.severity,
        f"{burn_name(burn.long)} > {burn.rate:g} and {burn_name(burn.short)} > {burn.rate:g} "
        f"and {enough}",
        "{{ $labels.model }} (thinking {{ $labels.thinking }}) breaks its promise of "
        "{{ $labels.promise }}: the month's budget burns {{ $value | humanize }} times too fast",
        f"Over {burn.long} and over {burn.short} more than {burn.rate:g} times as many requests "
        f"broke it as the month's budget allows, which spends {burn.spends} of it in {burn.long}.",
        labels={"window": burn.long},
    )


def _away(*more: str) -> str:
    return AWAY.replace(")", f", {', '.join(more)})")


PROMISES: Final = Group(
    "promises",
    (
        *(Record(burn_name(window), _burn(window)) for window in WINDOWS),
        *map(_alert, BURNS),
    ),
)
