"""One contender under one load: the load generator's tally and the CPU seconds of both edges."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Final, cast
from urllib.parse import urlsplit

import msgspec

from ops.bench.loadgen import Task
from ops.bench.processes import LOOPBACK, NotReady, cpu_between, cpu_clocks
from ops.bench.values import Load, Measurement, Tally

PATH: Final = "/v1/chat/completions"
TOPICS: Final = (
    "the sea", "a small town", "the night train", "an old map", "winter", "a lost key", "the moon",
    "two brothers", "a red door", "the market", "a long river", "the last bus", "a quiet dog",
    "the tall tree", "a paper boat", "the first snow",
)  # fmt: skip
"""Sixteen prompts of like length: as many as a replica's prefix cache is glad of, no more."""
PROMPT_TOKENS: Final = (25, 31)
"""Of the shortest and the longest, as the pocket models count them, their template included."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One that is asked. `url` ends without a slash; `pids` are the roots of its processes."""

    name: str
    url: str
    model: str
    loads: tuple[Load, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    pids: tuple[int, ...] = ()


def bodies(model: str, load: Load) -> tuple[str, ...]:
    """Greedy, without thinking, and to exactly `load.tokens`, so that all do the same work."""
    more = {"stream": True, "stream_options": {"include_usage": True}} if load.stream else {}
    return tuple(
        json.dumps(
            {
                "model": model,
                "messages": [{"role": "user", "content": f"Tell a story about {topic}."}],
                "max_tokens": load.tokens,
                "ignore_eos": True,
                "temperature": 0.0,
                "chat_template_kwargs": {"enable_thinking": False},
                **more,
            }
        )
        for topic in TOPICS
    )


def measure(
    contender: Contender, load: Load, round_: int, *, seconds: float, warmup_s: float
) -> Measurement:
    """Raises NotReady where the load generator does not come to its end."""
    command = [sys.executable, "-m", "ops.bench.loadgen"]
    task = _task(contender, load, seconds, warmup_s)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603 - ours
        to, of = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
        to.write(msgspec.json.encode(task))
        to.close()
        before = _at(of, "begin", contender)
        after = _at(of, "end", contender)
        tally = _tally(of.read())
    tokens = tally.tokens_per_s * tally.seconds
    spent = {**cpu_between(before, after), "load generator": tally.cpu_s}
    cpu = {role: 1000 * s / tokens for role, s in spent.items()} if tokens else {}
    return Measurement(contender.name, load.name, round_, tally, cpu)


def _task(contender: Contender, load: Load, seconds: float, warmup_s: float) -> Task:
    url = urlsplit(contender.url)
    return Task(
        host=url.hostname or LOOPBACK,
        port=url.port or 80,
        path=url.path + PATH,
        headers=dict(contender.headers),
        bodies=bodies(contender.model, load),
        concurrency=load.concurrency,
        stream=load.stream,
        tokens=load.tokens,
        events=load.events,
        warmup_s=warmup_s,
        seconds=seconds,
    )


def _at(lines: IO[bytes], mark: str, contender: Contender) -> Mapping[tuple[int, str], float]:
    """The CPU clocks when the load generator says so."""
    if (line := lines.readline().decode().strip()) != mark:
        raise NotReady(f"the load generator said {line!r} for {mark!r}; its error is above")
    return cpu_clocks(contender.pids)


def _tally(told: bytes) -> Tally:
    try:
        return msgspec.json.decode(told, type=Tally)
    except msgspec.DecodeError:
        raise NotReady("the load generator told no tally; its error is above") from None
