"""What a dashboard is made of, before any of Grafana's words."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.dashboards.query import Query


@dataclass(frozen=True, slots=True)
class Line:
    """One query of a panel; `legend` in Grafana's `{{label}}` form."""

    query: Query
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`shows` says what is seen, `do` what to do about it: both are the panel's description."""

    title: str
    unit: str
    shows: str
    do: str
    lines: tuple[Line, ...]
    width: int = 8
    """Of 24."""
    stacked: bool = False
    at_a_glance: bool = False
    """The last value as a number, not a course."""
    needs: str = ""
    """Why it has no data on a machine without GPUs; empty where it has."""

    @property
    def description(self) -> str:
        return f"{self.shows}\n\nWhat to do: {self.do}"


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """`name` is the file's and, with a prefix, Grafana's id."""

    name: str
    title: str
    shows: str
    sections: tuple[Section, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        for section in self.sections:
            yield from section.panels


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation. `at_value` where the series' value is the time, in milliseconds."""

    title: str
    query: Query
    text: str
    colour: str
    at_value: bool = False
