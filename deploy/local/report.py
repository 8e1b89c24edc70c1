"""Shows a person how far the service is: live lines on a terminal, plain ones elsewhere."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deploy.local.phases import Phase, PoolStatus

_COLOURS: Final = {Phase.READY: "green", Phase.FAILED: "red"}
NOTE_EVERY_S: Final = 10.0
"""A line in a log about what takes long."""

Clock = Callable[[], float]


class Report(Protocol):
    def say(self, text: str) -> None:
        """A line that stays."""

    def pools(self, statuses: Sequence[PoolStatus]) -> None:
        """Where the pools are now; called again and again."""

    def close(self) -> None:
        """No more of `pools`."""


class _Since:
    """When each pool came to the phase it is in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock()
        self._changed: dict[str, tuple[Phase, float]] = {}
        self._noted: dict[str, tuple[PoolStatus, float]] = {}

    def is_new(self, status: PoolStatus) -> bool:
        known = self._changed.get(status.name)
        if known is not None and known[0] is status.phase:
            return False
        self._changed[status.name] = (status.phase, self._clock())
        return True

    def is_due(self, status: PoolStatus) -> bool:
        """Whether its note is to be told: a new one, now and then; that it is held, at once."""
        told, at = self._noted.get(status.name, (None, 0.0))
        if status.note is None or (told and told.note == status.note):
            return False
        if told and told.held == status.held and self._clock() - at < NOTE_EVERY_S:
            return False
        self._noted[status.name] = (status, self._clock())
        return True

    def seconds(self, status: PoolStatus) -> float:
        """In all for a pool that has arrived, else in its phase."""
        phase, at = self._changed[status.name]
        return at - self._began if phase is Phase.READY else self._clock() - at

    @property
    def total(self) -> float:
        return self._clock() - self._began


class PlainReport:
    """A line for each change."""

    def __init__(self, write: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._write = write
        self._since = _Since(clock)

    def say(self, text: str) -> None:
        self._write(text)

    def pools(self, statuses: Sequence[PoolStatus]) -> None:
        for status in statuses:
            new, due = self._since.is_new(status), self._since.is_due(status)
            if new or due:
                note = f": {status.note}" if due else ""
                self._write(f"{self._since.total:6.1f} s  {status.name}: {status.phase}{note}")

    def close(self) -> None:
        return


class LiveReport:
    """A line for each pool, which changes in place."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._since = _Since(clock)
        self._live: Live | None = None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def pools(self, statuses: Sequence[PoolStatus]) -> None:
        for status in statuses:
            self._since.is_new(status)
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._table(statuses), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self, statuses: Sequence[PoolStatus]) -> Table:
        table = Table.grid(padding=(0, 2))
        for status in statuses:
            colour = _COLOURS.get(status.phase, "yellow")
            seconds = f"{self._since.seconds(status):.0f} s"
            table.add_row(
                f"  {status.name}",
                f"[{colour}]{status.phase}[/]",
                seconds,
                escape(status.note or ""),
            )
        return table


def for_terminal(console: Console) -> Report:
    if console.is_terminal:
        return LiveReport(console)
    return PlainReport(lambda text: print(text, flush=True))
