"""What a run says: JSON for scripts, a table for people. Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ops.bench.rounds import Estimate, compare
from ops.bench.values import (
    COMPARISONS,
    ENGINE_LOADS,
    MOCK_LOADS,
    Comparison,
    Load,
    Measurement,
)

LOADS = {load.name: load for load in (*ENGINE_LOADS, *MOCK_LOADS)}
COMPARED = {each.key: each for each in COMPARISONS}
CPU_COLUMN: Final = "CPU s per 1,000 tokens: all, the three that take most"


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, where and how."""

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    measured: tuple[Measurement, ...]
    problems: tuple[str, ...] = ()
    """Why a part of it could not be measured."""


def as_json(run: Run) -> dict[str, Any]:
    """The six figures first, null where they were not part of the run."""
    found = {each.key: compare(each, run.measured) for each in COMPARISONS}
    return {
        **{key: None if one is None else round(one.median, 4) for key, one in found.items()},
        "lost_answers": sum(sum(one.tally.lost.values()) for one in run.measured),
        "problems": list(run.problems),
        "goals": {
            each.key: _goal(each, estimate)
            for each in COMPARISONS
            if (estimate := found[each.key]) is not None
        },
        "contenders": [_summary(*key, of) for key, of in _grouped(run.measured).items()],
        "machine": dict(run.machine),
        "settings": dict(run.settings),
        "measurements": [asdict(one) for one in run.measured],
    }


def _goal(comparison: Comparison, estimate: Estimate) -> dict[str, Any]:
    return {
        "goal": comparison.goal,
        "at_most": comparison.difference,
        "reached": comparison.reached(estimate.median),
        "ours": comparison.ours,
        "theirs": comparison.theirs,
        "measure": comparison.measure,
        "concurrency": comparison.load.concurrency,
        **asdict(estimate),
    }


def _grouped(
    measured: Iterable[Measurement],
) -> dict[tuple[str, str], list[Measurement]]:
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measured:
        groups.setdefault((one.load, one.contender), []).append(one)
    return groups


def _summary(load: str, contender: str, of: Sequence[Measurement]) -> dict[str, Any]:
    """Medians over the rounds."""
    roles = sorted({role for one in of for role in one.cpu_s_per_1000_tokens})
    lost: dict[str, int] = {}
    for one in of:
        for problem, count in one.tally.lost.items():
            lost[problem] = lost.get(problem, 0) + count
    return {
        "contender": contender,
        "load": load,
        "concurrency": LOADS[load].concurrency,
        "stream": LOADS[load].stream,
        "tokens": LOADS[load].tokens,
        **{name: _median(of, name) for name in _MEASURES},
        "answers": sum(one.tally.answers for one in of),
        "lost": lost,
        "cpu_s_per_1000_tokens": {
            role: statistics.median(one.cpu_s_per_1000_tokens.get(role, 0.0) for one in of)
            for role in roles
        },
    }


_MEASURES = (
    "tokens_per_s",
    "requests_per_s",
    "ttft_p50_ms",
    "ttft_p99_ms",
    "e2e_p50_ms",
    "e2e_p99_ms",
)


def _median(of: Sequence[Measurement], name: str) -> float | None:
    values = [value for one in of if (value := getattr(one.tally, name)) is not None]
    return statistics.median(values) if values else None


def as_table(report: Mapping[str, Any]) -> str:
    """Markdown, of what `as_json` says."""
    loads = dict.fromkeys(row["load"] for row in report["contenders"])
    parts = [_goals_table(report), *(_load_table(LOADS[load], report) for load in loads)]
    parts = [f"**Not measured**: {problem}" for problem in report["problems"]] + parts
    if report["lost_answers"]:
        parts.insert(0, f"**{report['lost_answers']} answers were lost**: see `lost` in the JSON.")
    return "\n\n".join(parts)


def _goals_table(report: Mapping[str, Any]) -> str:
    rows = []
    for key, one in report["goals"].items():
        sign, unit = ("<=", " ms") if one["at_most"] else (">=", "")
        span = f"{one['low']:.2f} to {one['high']:.2f} ({one['confidence']:.0%})"
        verdict = "reached" if one["reached"] else "**missed**"
        load = load_words(COMPARED[key].load)
        rounds = str(len(one["rounds"]))
        figures = (f"{one['median']:.2f}{unit}", span, f"{sign} {one['goal']:g}", verdict)
        rows.append((key, _of(COMPARED[key]), load, rounds, *figures))
    head = ("figure", "of", "under a load of", "rounds", "median", "interval", "goal", "")
    return _markdown(head, rows)


def _of(comparison: Comparison) -> str:
    sign = "-" if comparison.difference else "/"
    return f"{_WORDS[comparison.measure]}: {comparison.ours} {sign} {comparison.theirs}"


_WORDS = {
    "tokens_per_s": "tokens/s",
    "requests_per_s": "requests/s",
    "ttft_p50_ms": "TTFT p50",
}


def load_words(load: Load) -> str:
    kind = "streams" if load.stream else "replies"
    return f"{kind} of {load.tokens} tokens, concurrency {load.concurrency}"


def _load_table(load: Load, report: Mapping[str, Any]) -> str:
    title = load_words(load)
    head = (title, "tokens/s", "requests/s", "TTFT p50, p99 ms", CPU_COLUMN, "cores busy", "lost")
    rows = [
        (
            row["contender"],
            f"{row['tokens_per_s']:,.0f}",
            f"{row['requests_per_s']:,.1f}",
            _pair(row["ttft_p50_ms"], row["ttft_p99_ms"]),
            _cpu(row["cpu_s_per_1000_tokens"]),
            f"{row['tokens_per_s'] * sum(row['cpu_s_per_1000_tokens'].values()) / 1000:.2f}",
            str(sum(row["lost"].values())),
        )
        for row in report["contenders"]
        if row["load"] == load.name
    ]
    return _markdown(head, rows)


def _pair(p50: float | None, p99: float | None) -> str:
    return "-" if p50 is None or p99 is None else f"{p50:.1f}, {p99:.1f}"


def _cpu(by_role: Mapping[str, float]) -> str:
    """Without the load generator's own."""
    others = {role: spent for role, spent in by_role.items() if role != "load generator"}
    most = sorted(others.items(), key=lambda item: -item[1])[:3]
    named = ", ".join(f"{role} {spent:.3g}" for role, spent in most if spent > 0)
    return f"{sum(others.values()):.3g}: {named}" if named else "-"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
