"""What keeps the labels bounded. Pure, but for the guard's memory of the teams it has seen."""

from collections.abc import Iterator
from typing import Final

from serving.errors import BifocalError
from serving.values import Mode, Route, Team

MAX_TEAMS: Final = 100
"""Teams with a label value of their own; one team has about a dozen series a model and mode."""
OTHER: Final = "other"
NONE: Final = "none"
"""The labels `model` and `thinking` where a request was refused before a decision."""
REPLICA_FAILS: Final = ("unreachable", "refused", "silent", "failed", "timeout")
"""How a replica fails; see `serving.observer.ReplicaFailed`."""


class TeamGuard:
    """The label of a team: its own name for the first `most` teams seen, `other` for the rest."""

    def __init__(self, most: int = MAX_TEAMS) -> None:
        self._most = most
        self._known: set[Team] = set()

    def label(self, team: Team) -> str:
        if team not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(team)
        return team


def error_codes() -> frozenset[str]:
    """The codes of the error tree: all that the label `code` may be, beside `other`."""

    def tree(kind: type[BifocalError]) -> Iterator[type[BifocalError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from tree(child)

    return frozenset(kind.code for kind in tree(BifocalError) if kind.code is not None)


def route_labels(route: Route | None) -> tuple[str, str]:
    """`model` and `thinking`."""
    if route is None:
        return NONE, NONE
    return route.model, thinking_label(route.mode)


def thinking_label(mode: Mode) -> str:
    return "on" if mode is Mode.THINKING else "off"
