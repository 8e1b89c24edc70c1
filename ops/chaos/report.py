"""A run as JSON for scripts and as a table for people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ops.chaos.tally import Row

HEAD = (
    "fault", "signal to", "out of routing", "answers again", "all replicas back",
    "answered", "503, Retry-After", "lost before the first byte", "error events", "cut",
    "lost by other pools", "process left",
)  # fmt: skip


def as_json(
    rows: Sequence[Row], problems: Sequence[str], machine: Mapping[str, Any], **settings: Any
) -> dict[str, Any]:
    return {
        "lost": sum(row.victim.bad + row.others.bad for row in rows),
        "problems": list(problems),
        "faults": [asdict(row) for row in rows],
        "machine": dict(machine),
        "settings": settings,
    }


def as_table(report: Mapping[str, Any]) -> str:
    """Markdown, of what `as_json` says."""
    problems = [f"**Not tried**: {problem}" for problem in report["problems"]]
    return "\n\n".join([*problems, _markdown(HEAD, map(_line, report["faults"]))])


def told_table(report: Mapping[str, Any]) -> str:
    """Of each fault, what answers that were not whole ended with."""
    rows = [
        (row["fault"], told, str(count))
        for row in report["faults"]
        for told, count in sorted(row["told"].items())
    ]
    return _markdown(("fault", "ended as", "requests"), rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: Mapping[str, Any]) -> list[str]:
    victim, others = row["victim"], row["others"]
    elsewhere = others["lost"] + others["cut"] + others["refused"] + others["error_events"]
    return [
        row["fault"],
        f"{row['signal']} to {row['process']}",
        *(_seconds(row[key]) for key in ("out_of_routing_s", "answers_again_s", "restored_s")),
        *(str(victim[key]) for key in ("whole", "refused", "lost", "error_events", "cut")),
        str(elsewhere),
        "yes" if row["left"] else "no",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
