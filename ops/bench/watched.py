"""What a service pays for being watched: CPU for each token with a Prometheus and without.

The same steady load in pairs of windows, one watched and one not, in the order A B, B A, B A, A B
and so on. A machine's own noise is many times what a page costs that is read every five seconds. So
here it is read `OFTEN` times as often, and of what that adds one part in `OFTEN` is the figure: a
reading costs what it costs, however long ago the last one was.

CPU is counted for a token, not for a second. The watcher's own is told beside it: it need not live
on the same nodes.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ops.bench.bench import WARM_UP_S, machine_facts
from ops.bench.contenders import Product, Room
from ops.bench.measure import Contender, measure
from ops.bench.processes import NotReady
from ops.bench.rounds import CONFIDENCE, Estimate, estimate, order
from ops.bench.values import LIGHT, Load, Measurement
from ops.bench.watcher import Look, Service, Watcher, watching

ALONE: Final = "alone"
WATCHED: Final = "watched"
EVERY_S: Final = 5.0
"""Between two readings of a page, as `bifocal config prometheus` writes it."""
OFTEN: Final = 20
RAMP_S: Final = 1.0
"""Load before each window."""
PAIRS: Final = 12
SECONDS: Final = 10.0
GOAL: Final = 1.03
LOAD: Final[Load] = LIGHT
NOT_OURS: Final = frozenset({"load generator", "prometheus"})


@dataclass(frozen=True, slots=True)
class Plan:
    pairs: int = PAIRS
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, by whom it was watched, and what went wrong."""

    measured: tuple[Measurement, ...]
    watcher: str = ""
    looks: tuple[Look, ...] = ()
    """The last reading of each page."""
    problems: tuple[str, ...] = ()


def run(plan: Plan, product: Product, room: Room) -> dict[str, Any]:
    where = machine_facts()
    try:
        with product.cluster(room.folder) as cluster:
            of = Contender(
                ALONE,
                cluster.gateway_url,
                product.engine.model,
                (LOAD,),
                cluster.gateway_headers,
                cluster.pids,
            )
            found = _pairs(plan, of, room)
    except NotReady as error:
        found = Run((), problems=(str(error),))
    settings = {"model": product.engine.model, "every_s": EVERY_S, "often": OFTEN, **asdict(plan)}
    return report(found) | {"machine": where, "settings": settings}


def _pairs(plan: Plan, of: Contender, room: Room) -> Run:
    measure(of, LOAD, -1, seconds=WARM_UP_S, warmup_s=WARM_UP_S)
    found = Run(())
    for pair in range(plan.pairs):
        for name in order((ALONE, WATCHED), pair):
            try:
                found = _window(name, pair, plan, of, found)
            except NotReady as error:
                found = replace(found, problems=(*found.problems, f"pair {pair + 1}: {error}"))
                continue
            room.say(f"pair {pair + 1}/{plan.pairs} {_line(found.measured[-1])}")
    return found


def _line(one: Measurement) -> str:
    lost = f", LOST {dict(one.tally.lost)}" if one.tally.lost else ""
    speed = f"{one.tally.tokens_per_s:,.0f} tokens/s"
    return f"{one.contender:8} {ours(one):.3f} s of CPU for 1,000 tokens, {speed}{lost}"


def _window(name: str, pair: int, plan: Plan, of: Contender, so_far: Run) -> Run:
    if name == ALONE:
        one = measure(of, LOAD, pair, seconds=plan.seconds, warmup_s=RAMP_S)
        return replace(so_far, measured=(*so_far.measured, one))
    with _watched(of) as watcher:
        by = replace(of, name=WATCHED, pids=(*of.pids, *watcher.pids))
        one = measure(by, LOAD, pair, seconds=plan.seconds, warmup_s=RAMP_S)
        return replace(
            so_far,
            measured=(*so_far.measured, one),
            watcher=watcher.name,
            looks=watcher.looks(),
        )


@contextmanager
def _watched(of: Contender) -> Iterator[Watcher]:
    """With an empty store each time, so that none has more to do than another."""
    service = Service(of.url, of.headers)
    with (
        tempfile.TemporaryDirectory(prefix="bf-watch-", ignore_cleanup_errors=True) as folder,
        watching(service, Path(folder), EVERY_S / OFTEN) as watcher,
    ):
        yield watcher


def ours(one: Measurement) -> float:
    """CPU seconds for 1,000 tokens of all processes of Bifocal and Ray."""
    spent = one.cpu_s_per_1000_tokens.items()
    return sum(seconds for role, seconds in spent if role not in NOT_OURS)


def report(run: Run) -> dict[str, Any]:
    """The ratio first. Pure."""
    often = _ratios(run.measured)
    ratio = estimate([1 + (each - 1) / OFTEN for each in often]) if often else None
    return {
        "watched_over_alone": None if ratio is None else asdict(ratio),
        "so_often_over_alone": asdict(estimate(often)) if often else None,
        "goal": GOAL,
        "reached": _excluded(ratio) and not run.problems,
        "lost_answers": sum(sum(one.tally.lost.values()) for one in run.measured),
        "problems": list(run.problems),
        "watcher": run.watcher,
        "pages": [asdict(look) for look in run.looks],
        "windows": {name: _summary(_of(run.measured, name)) for name in (ALONE, WATCHED)},
        "measurements": [asdict(one) for one in run.measured],
    }


def _excluded(ratio: Estimate | None) -> bool:
    """Whether it can be said that the goal is kept: two pairs say nothing."""
    return ratio is not None and ratio.high < GOAL and ratio.confidence >= CONFIDENCE


def _of(measured: Sequence[Measurement], name: str) -> list[Measurement]:
    return [one for one in measured if one.contender == name]


def _ratios(measured: Sequence[Measurement]) -> list[float]:
    """Paired, of all pairs that were measured."""
    alone = {one.round: ours(one) for one in _of(measured, ALONE)}
    watched = _of(measured, WATCHED)
    return [ours(one) / alone[one.round] for one in watched if alone.get(one.round)]


def _summary(of: Sequence[Measurement]) -> dict[str, Any]:
    """Medians over the windows."""
    if not of:
        return {}
    roles = sorted({role for one in of for role in one.cpu_s_per_1000_tokens})
    return {
        "cpu_s_per_1000_tokens": statistics.median(map(ours, of)),
        "tokens_per_s": statistics.median(one.tally.tokens_per_s for one in of),
        "by_process": {
            role: statistics.median(one.cpu_s_per_1000_tokens.get(role, 0.0) for one in of)
            for role in roles
        },
    }


def reached(report: Mapping[str, Any]) -> bool:
    return bool(report["reached"]) and not report["lost_answers"]


def as_table(report: Mapping[str, Any]) -> str:
    """Markdown: the ratio, the processes, the pages."""
    parts = [f"**Not measured**: {problem}" for problem in report["problems"]]
    if report["lost_answers"]:
        parts.append(f"**{report['lost_answers']} answers were lost**: see the JSON.")
    if report["watched_over_alone"]:
        parts += [_figure(report), _processes(report["windows"]), _pages(report["pages"])]
    return "\n\n".join(parts)


def _figure(report: Mapping[str, Any]) -> str:
    verdict = "reached" if report["reached"] else "**missed**"
    goals = {
        f"read every {EVERY_S:g} s / alone": ("watched_over_alone", f"< {GOAL:g}: {verdict}"),
        f"read every {EVERY_S / OFTEN:g} s / alone": ("so_often_over_alone", ""),
    }
    lines = ["| CPU for a token | pairs | median | interval | goal |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, (key, goal) in goals.items():
        one = report[key]
        span = f"{one['low']:.3f} to {one['high']:.3f} ({one['confidence']:.0%})"
        pairs = len(one["rounds"])
        lines.append(f"| {name} | {pairs} | {one['median']:.3f} | {span} | {goal} |")
    return "\n".join(lines)


def _processes(windows: Mapping[str, Any]) -> str:
    """Those that take most first; what is not Bifocal's or Ray's last."""
    alone, watched = (windows[name] for name in (ALONE, WATCHED))
    roles = sorted(
        watched["by_process"],
        key=lambda role: (role in NOT_OURS, -watched["by_process"][role]),
    )
    rows = [("**Bifocal and Ray**", *(w["cpu_s_per_1000_tokens"] for w in (alone, watched)))]
    rows += [
        (f"{role} (not counted)" if role in NOT_OURS else role,
         *(w["by_process"].get(role, 0.0) for w in (alone, watched)))
        for role in roles
    ]  # fmt: skip
    often = f"read every {EVERY_S / OFTEN:g} s"
    lines = [f"| CPU seconds for 1,000 tokens | alone | {often} |", "| --- | --- | --- |"]
    lines += [f"| {name} | {one:.4f} | {other:.4f} |" for name, one, other in rows]
    speeds = " | ".join(f"{each['tokens_per_s']:,.0f}" for each in (alone, watched))
    return "\n".join([*lines, f"| tokens/s | {speeds} |"])


def _pages(pages: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| page | samples | read in |", "| --- | --- | --- |"]
    lines += [
        f"| {one['page']} | {one['samples']:,} | {1000 * one['seconds']:.0f} ms |" for one in pages
    ]
    return "\n".join(lines)
