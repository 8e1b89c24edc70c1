"""A pool's cold start side by side with Ray's own: which ones, in which order, what follows.

Three contenders with the same engine, each from `serve.run` to ready: Ray Serve LLM's deployment
with direct ingress as it comes; the product's pool without its fork server; and with it. One at a
time, in rounds that are interleaved as those under load are.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ops.bench.bench import machine_facts
from ops.bench.contenders import Engine, Room
from ops.bench.processes import NotReady, free_port, running
from ops.bench.rounds import estimate, order

PLAIN: Final = "plain direct ingress"
WITHOUT: Final = "pool, no fork server"
POOL: Final = "pool"
CONTENDERS: Final = (PLAIN, WITHOUT, POOL)
GOAL: Final = 0.6
LIMIT_S: Final = 240.0
TOKEN: Final = "bench"  # noqa: S105 - of a pool that lives a minute, on loopback
SWITCH: Final = {"BIFOCAL_FORK_SERVER": "0"}
ENVIRONMENT: Final = {
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "0",
    "RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING": "1",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
    "BIFOCAL_POOL_TOKEN": TOKEN,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The same engine twice: as vLLM's arguments, and as the arguments of the product's pool."""

    engine: Engine
    pool: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """One of them."""

    contender: str
    round: int
    ready_s: float
    answered_s: float
    """To the end of the first chat: a pool is warm when it is ready, the plain one is not."""
    said: str
    steps: tuple[Mapping[str, Any], ...]


def run(rounds: int, subject: Subject, room: Room) -> dict[str, Any]:
    where = machine_facts()
    found: list[Start] = []
    problems: list[str] = []
    for round_ in range(rounds):
        for contender in order(CONTENDERS, round_):
            try:
                found.append(one := _start(contender, round_, subject, room))
            except NotReady as error:
                problems.append(f"{contender}: {error}")
                continue
            room.say(f"round {round_ + 1}/{rounds} {contender:22} ready after {one.ready_s:.1f} s")
    return report(found, problems) | {
        "machine": where,
        "settings": {"model": subject.engine.model, "rounds": rounds},
    }


def _start(contender: str, round_: int, subject: Subject, room: Room) -> Start:
    name = f"start-{CONTENDERS.index(contender)}-{round_}"
    result, log = room.folder / f"{name}.json", room.log(name)
    task = {
        "model": subject.engine.model,
        "source": subject.engine.source,
        "arguments": dict(subject.engine.arguments),
        "environment": dict(subject.engine.environment) | (SWITCH if contender == WITHOUT else {}),
        "pool": None if contender == PLAIN else dict(subject.pool),
        "port": free_port(),
        "folder": str(room.folder / name),
        "token": TOKEN,
    }
    command = (sys.executable, "-m", "ops.bench.one_start", json.dumps(task), str(result))
    with running(command, log, ENVIRONMENT) as process:
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise NotReady(f"no answer in {LIMIT_S:g} s; its log: {log}") from None
    if code:
        raise NotReady(f"ended with {code}:\n{log.read_text(errors='replace')[-2000:]}")
    return Start(contender, round_, **json.loads(result.read_bytes()))


def report(starts: Sequence[Start], problems: Sequence[str] = ()) -> dict[str, Any]:
    """The ratios first. Pure."""
    return {
        "start_over_plain": _ratio(starts, POOL, PLAIN, "ready_s"),
        "start_over_no_fork_server": _ratio(starts, POOL, WITHOUT, "ready_s"),
        "first_answer_over_plain": _ratio(starts, POOL, PLAIN, "answered_s"),
        "goal": GOAL,
        "answers_are_equal": len({one.said for one in starts}) == 1,
        "problems": list(problems),
        "starts": [asdict(one) for one in starts],
    }


def _ratio(starts: Sequence[Start], ours: str, theirs: str, measure: str) -> dict[str, Any] | None:
    """Paired within each round; None where a pair was not measured."""
    by_round = {(one.contender, one.round): float(getattr(one, measure)) for one in starts}
    values = [
        seconds / by_round[theirs, round_]
        for (contender, round_), seconds in by_round.items()
        if contender == ours and (theirs, round_) in by_round
    ]
    return asdict(estimate(values)) if values else None


def reached(report: Mapping[str, Any]) -> bool:
    ratio = report["start_over_plain"]
    whole = report["answers_are_equal"] and not report["problems"]
    return bool(whole and ratio is not None and ratio["median"] <= GOAL)


def as_table(report: Mapping[str, Any]) -> str:
    """Markdown: the ratios, the contenders, the steps of a pool's start."""
    parts = [f"**Not measured**: {problem}" for problem in report["problems"]]
    parts += [_ratios(report), _contenders(report["starts"]), _steps(report["starts"])]
    return "\n\n".join(parts)


def _ratios(report: Mapping[str, Any]) -> str:
    lines = ["| figure | median | interval | goal |", "| --- | --- | --- | --- |"]
    for key in ("start_over_plain", "start_over_no_fork_server", "first_answer_over_plain"):
        if (one := report[key]) is None:
            continue
        span = f"{one['low']:.2f} to {one['high']:.2f} ({one['confidence']:.0%})"
        verdict = "reached" if one["median"] <= GOAL else "**missed**"
        goal = f"<= {GOAL:g}: {verdict}" if key == "start_over_plain" else ""
        lines.append(f"| {key} | {one['median']:.2f} | {span} | {goal} |")
    return "\n".join(lines)


def _contenders(starts: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| from serve.run, seconds | ready | each round | first answer |"]
    lines.append("| --- | --- | --- | --- |")
    for name in CONTENDERS:
        if of := [one for one in starts if one["contender"] == name]:
            each = ", ".join(f"{one['ready_s']:.1f}" for one in of)
            ready, answered = (_median(of, key) for key in ("ready_s", "answered_s"))
            lines.append(f"| {name} | {ready:.1f} | {each} | {answered:.1f} |")
    return "\n".join(lines)


def _median(starts: Sequence[Mapping[str, Any]], key: str) -> float:
    return statistics.median(float(one[key]) for one in starts)


def _steps(starts: Sequence[Mapping[str, Any]]) -> str:
    """Medians; the plain contender does not tell."""
    taken: dict[str, dict[str, list[float]]] = {}
    for one in (start for start in starts if start["contender"] != PLAIN):
        for step in one["steps"]:
            by_contender = taken.setdefault(step["step"], {})
            by_contender.setdefault(one["contender"], []).append(step["seconds"])
    lines = [f"| step, seconds | {WITHOUT} | {POOL} |", "| --- | --- | --- |"]
    for step, by_contender in taken.items():
        cells = [
            f"{statistics.median(by_contender[name]):.1f}" if name in by_contender else "-"
            for name in (WITHOUT, POOL)
        ]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines)
