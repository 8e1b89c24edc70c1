"""One run: contenders up, warmed, asked in interleaved rounds, down."""

import contextlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from ops.bench.contenders import Product, Room, engines, mocks, peers
from ops.bench.measure import Contender, measure
from ops.bench.processes import NotReady
from ops.bench.report import Run
from ops.bench.rounds import order
from ops.bench.values import ENGINE_LOADS, MOCK_LOADS, Load, Measurement

Only = Literal["mock", "engines"]
Stand = Callable[[Product, Room], AbstractContextManager[tuple[Contender, ...]]]
Take = Callable[[Measurement], None]
MOCK_SHARE: Final = 0.3
"""Of an engine's seconds: a mock answers thousands of times a second."""
RAMP_SHARE: Final = 0.2
"""Load before each window, of the window's seconds."""
WARM_UP_S: Final = 2.0
"""Once, before the first round: an engine's first requests compile."""
LOOK_S: Final = 3.0
"""For what else the machine does, before anything is started."""


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 5
    seconds: float = 5.0
    """Of each contender under each load in each round."""
    only: Only | None = None
    peers: tuple[str, ...] = ()


def run(plan: Plan, product: Product, room: Room) -> Run:
    """What could not be measured is told beside what was: engines take minutes to fail, and may do
    so in the last round."""
    machine = machine_facts()
    measured: list[Measurement] = []
    problems: list[str] = []
    for section in _sections(plan, product, room, measured.append):
        try:
            section()
        except NotReady as error:
            problems.append(str(error))
    settings = {**asdict(plan), "model": product.engine.model}
    return Run(machine, settings, tuple(measured), tuple(problems))


def _sections(plan: Plan, product: Product, room: Room, take: Take) -> Iterator[Callable[[], None]]:
    if plan.only != "engines":
        # In a run of mocks alone, a peer is another gateway before such an upstream.
        others = peers(product, plan.peers, MOCK_LOADS) if plan.only == "mock" else ()
        yield partial(_section, mocks, others, plan.seconds * MOCK_SHARE, plan, product, room, take)
    if plan.only != "mock":
        others = peers(product, plan.peers, ENGINE_LOADS)
        yield partial(_section, engines, others, plan.seconds, plan, product, room, take)


def _section(
    stand: Stand,
    others: tuple[Contender, ...],
    seconds: float,
    plan: Plan,
    product: Product,
    room: Room,
    take: Take,
) -> None:
    with stand(product, room) as contenders:
        _rounds(plan.rounds, seconds, (*contenders, *others), room, take)


def _rounds(
    rounds: int, seconds: float, contenders: Sequence[Contender], room: Room, take: Take
) -> None:
    """All contenders under one load, then under the next: a pair is never far apart in time."""
    by_name = {each.name: each for each in contenders}
    loads = tuple(dict.fromkeys(load for each in contenders for load in each.loads))
    for each in contenders:
        for load in each.loads:
            room.say(f"warming up {each.name}, {load.name}")
            measure(each, load, -1, seconds=WARM_UP_S / 4, warmup_s=WARM_UP_S)
    for round_ in range(rounds):
        for load in loads:
            for name in order(tuple(by_name), round_):
                one = _one(by_name[name], load, round_, seconds)
                room.say(_line(one, rounds))
                take(one)


def _one(contender: Contender, load: Load, round_: int, seconds: float) -> Measurement:
    return measure(contender, load, round_, seconds=seconds, warmup_s=seconds * RAMP_SHARE)


def _line(one: Measurement, rounds: int) -> str:
    tally = one.tally
    ttft = "" if tally.ttft_p50_ms is None else f", TTFT {tally.ttft_p50_ms:.1f} ms"
    lost = f", LOST {dict(tally.lost)}" if tally.lost else ""
    speed = f"{tally.tokens_per_s:,.0f} tokens/s, {tally.requests_per_s:,.1f} requests/s"
    return f"round {one.round + 1}/{rounds} {one.load:6} {one.contender:20} {speed}{ttft}{lost}"


def machine_facts() -> dict[str, Any]:
    """What a reader needs to judge the figures: cores that others keep busy make them noise. Looked
    at for three seconds, since a load average still tells of what has ended a minute ago."""
    cores = psutil.cpu_count() or 1
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "busy_cores_before": round(cores * psutil.cpu_percent(LOOK_S) / 100, 2),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
