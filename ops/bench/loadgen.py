"""The load generator: a process of its own, the same for every contender.

`python -m ops.bench.loadgen < task.json` keeps `concurrency` requests under way, prints `begin`
and `end` at the edges of its window (so that others can read clocks then), and the tally as one
line of JSON. What it checks: each answer is whole, to the last token.

Load is kept up before and after the window. An answer that straddles an edge counts with the share
of its time inside, so that neither the start nor the end of the window favours short answers. It
speaks HTTP/1.1 by a parser in C over raw transports, to leave the two cores to what is measured.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import httptools
import msgspec
import uvloop

from ops.bench.answer import Answer, whole
from ops.bench.values import Tally

PATIENCE_S: Final = 60.0
"""An answer that is not there so long after the window is lost."""


RECONNECT_S: Final = 0.1
"""Between two attempts where nothing listens."""


class Task(msgspec.Struct, frozen=True):
    """What to send, to whom, for how long."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    bodies: tuple[str, ...]
    """Sent in turn."""
    concurrency: int
    stream: bool
    tokens: int
    events: int | None
    warmup_s: float
    seconds: float


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._done: asyncio.Future[Answer] | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer(began=time.monotonic())
        self._done = asyncio.get_running_loop().create_future()
        if self._transport is not None:
            self._transport.write(request)
        else:
            self._finish("cut off")
        return self._done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._finish(f"not HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish("cut off")

    # What the parser calls.
    def on_body(self, part: bytes) -> None:
        if self._answer is not None:
            self._answer.take(part, time.monotonic())

    def on_message_complete(self) -> None:
        if self._transport is not None and not self._parser.should_keep_alive():
            self._transport.close()
        self._finish(None)

    def _finish(self, problem: str | None) -> None:
        if (answer := self._answer) is None or self._done is None or self._done.done():
            return
        answer.ended = time.monotonic()
        answer.problem = problem
        answer.status = self._parser.get_status_code()
        self._answer = None
        self._done.set_result(answer)


@dataclass(slots=True)
class Window:
    """Sums over the answers, each by its share inside the window."""

    begin: float
    end: float
    answers: float = 0.0
    tokens: float = 0.0
    seen: int = 0
    ttft_s: list[float] = field(default_factory=list)
    e2e_s: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer, task: Task) -> None:
        inside = min(answer.ended, self.end) - max(answer.began, self.begin)
        if inside <= 0:
            return
        problem = whole(answer, stream=task.stream, tokens=task.tokens, events=task.events)
        if problem is not None:
            self.lost[problem] += 1
            return
        share = inside / (answer.ended - answer.began)
        self.seen += 1
        self.answers += share
        self.tokens += share * task.tokens
        if self.begin <= answer.began < self.end:
            self.e2e_s.append(answer.ended - answer.began)
            if task.stream and answer.first is not None:
                self.ttft_s.append(answer.first - answer.began)


def percentile_ms(values_s: Sequence[float], percent: int) -> float | None:
    """The nearest rank, in milliseconds."""
    if not values_s:
        return None
    ranked = sorted(values_s)
    rank = max(1, -(-len(ranked) * percent // 100))
    return ranked[rank - 1] * 1000


def requests_of(task: Task) -> tuple[bytes, ...]:
    """Each body as the bytes of a whole HTTP request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in task.headers.items())
    head = f"POST {task.path} HTTP/1.1\r\nhost: {task.host}:{task.port}\r\n{lines}"
    head += "content-type: application/json\r\n"
    bodies = (body.encode() for body in task.bodies)
    return tuple(f"{head}content-length: {len(b)}\r\n\r\n".encode() + b for b in bodies)


async def run(task: Task) -> Tally:
    begin = time.monotonic() + task.warmup_s
    window = Window(begin, begin + task.seconds)
    marks = asyncio.create_task(_mark(window))
    workers = [asyncio.create_task(_work(task, window, n)) for n in range(task.concurrency)]
    _, late = await asyncio.wait(workers, timeout=task.warmup_s + task.seconds + PATIENCE_S)
    for worker in late:
        worker.cancel()
        window.lost["no end"] += 1
    for worker in set(workers) - late:
        worker.result()
    return _tally(window, task, await marks)


async def _work(task: Task, window: Window, place: int) -> None:
    """Ask again as soon as the last answer is there, a little beyond the window's end."""
    requests = requests_of(task)
    connection = Connection()
    turn = place
    try:
        while time.monotonic() < window.end:
            if not connection.usable:
                try:
                    connection = await _connect(task)
                except OSError:
                    window.lost["cannot connect"] += 1
                    await asyncio.sleep(RECONNECT_S)
                    continue
            window.add(await connection.ask(requests[turn % len(requests)]), task)
            turn += 1
    finally:
        connection.close()


async def _connect(task: Task) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, task.host, task.port)
    return connection


async def _mark(window: Window) -> float:
    """Says when the window begins and ends; the CPU seconds of this process in it."""
    await asyncio.sleep(window.begin - time.monotonic())
    print("begin", flush=True)
    cpu = time.process_time()
    await asyncio.sleep(window.end - time.monotonic())
    print("end", flush=True)
    return time.process_time() - cpu


def _tally(window: Window, task: Task, cpu_s: float) -> Tally:
    return Tally(
        seconds=task.seconds,
        answers=window.seen,
        tokens_per_s=window.tokens / task.seconds,
        requests_per_s=window.answers / task.seconds,
        ttft_p50_ms=percentile_ms(window.ttft_s, 50),
        ttft_p99_ms=percentile_ms(window.ttft_s, 99),
        e2e_p50_ms=percentile_ms(window.e2e_s, 50),
        e2e_p99_ms=percentile_ms(window.e2e_s, 99),
        lost=dict(window.lost),
        cpu_s=cpu_s,
    )


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    tally = uvloop.run(run(task))
    print(msgspec.json.encode(tally).decode(), flush=True)


if __name__ == "__main__":
    main()
