"""The load generator against the mock upstream, both as they run in a bench."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from ops.bench.answer import Answer
from ops.bench.loadgen import Task, Window, percentile_ms, requests_of, run
from ops.bench.measure import Contender, bodies, measure
from ops.bench.processes import LOOPBACK, NotReady, free_port, running, wait_until_ready
from ops.bench.values import EVENTS, MOCK_LOADS, PLAIN, Load


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contender]:
    port, log = free_port(), tmp_path_factory.mktemp("mock") / "log"
    command = [sys.executable, "-m", "uvicorn", "ops.bench.mock:application", f"--port={port}"]
    with running([*command, "--lifespan=off", "--no-access-log"], log) as process:
        url = f"http://{LOOPBACK}:{port}"
        wait_until_ready(f"{url}/health", process, log, 20)
        yield Contender("mock", url, "mock", MOCK_LOADS, {}, (process.pid,))


@pytest.mark.parametrize("load", MOCK_LOADS, ids=lambda load: load.name)
def test_all_answers_of_the_mock_are_whole(mock: Contender, load: Load) -> None:
    found = measure(mock, load, 0, seconds=0.5, warmup_s=0.1)
    assert not found.tally.lost
    assert found.tally.answers > load.concurrency
    assert found.tally.tokens_per_s == pytest.approx(found.tally.requests_per_s * load.tokens)
    assert set(found.cpu_s_per_1000_tokens) == {"mock", "load generator"}
    assert found.cpu_s_per_1000_tokens["load generator"] > 0
    assert (found.tally.ttft_p50_ms is None) == (not load.stream)


def test_a_load_generator_that_dies_is_a_contender_that_was_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ops.bench.measure._task", lambda *_: {"host": "and no more"})
    with pytest.raises(NotReady, match="for 'begin'"):
        measure(Contender("x", "http://x", "x", ()), PLAIN, 0, seconds=0.1, warmup_s=0.0)


def task(port: int, **changes: object) -> Task:
    fields: dict[str, object] = {
        "host": LOOPBACK,
        "port": port,
        "path": "/v1/chat/completions",
        "headers": {"authorization": "Bearer k"},
        "bodies": bodies("mock", PLAIN),
        "concurrency": 2,
        "stream": False,
        "tokens": 16,
        "events": None,
        "warmup_s": 0.0,
        "seconds": 0.2,
    }
    return Task(**{**fields, **changes})  # type: ignore[arg-type]


async def test_answers_cut_short_are_lost_and_the_load_goes_on() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(cut, LOOPBACK)
    async with server:
        tally = await run(task(server.sockets[0].getsockname()[1]))
    assert tally.lost["cut off"] > 2
    assert tally.answers == 0
    assert tally.tokens_per_s == 0


async def test_where_nothing_listens_every_attempt_is_lost() -> None:
    tally = await run(task(free_port(), concurrency=1))
    assert tally.lost.keys() == {"cannot connect"}
    assert tally.answers == 0


async def test_what_is_not_http_is_lost() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp ready\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(babble, LOOPBACK)
    async with server:
        tally = await run(task(server.sockets[0].getsockname()[1]))
    assert all(problem.startswith("not HTTP") for problem in tally.lost)
    assert tally.lost


def test_a_request_names_its_host_its_key_and_its_length() -> None:
    made = requests_of(task(7, bodies=("{}",)))
    assert made == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:7\r\nauthorization: Bearer k\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    )


@pytest.mark.parametrize(
    ("began", "ended", "share"),
    [
        pytest.param(10.0, 11.0, 1.0, id="inside"),
        pytest.param(9.0, 11.0, 0.5, id="begun before"),
        pytest.param(19.0, 21.0, 0.5, id="ended after"),
        pytest.param(8.0, 28.0, 0.5, id="around it"),
        pytest.param(8.0, 10.0, 0.0, id="before it"),
        pytest.param(20.0, 21.0, 0.0, id="after it"),
    ],
)
def test_an_answer_counts_by_its_share_of_time_in_the_window(
    began: float, ended: float, share: float
) -> None:
    window = Window(10.0, 20.0)
    body = b'{"choices":[{"finish_reason":"stop"}],"usage":{"completion_tokens":16}}'
    answer = Answer(began=began, ended=ended, status=200, parts=[body])
    window.add(answer, task(7))
    assert window.answers == pytest.approx(share)
    assert window.tokens == pytest.approx(16 * share)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50_000.0), (99, 99_000.0), (100, 100_000.0)]
)
def test_percentiles_are_by_nearest_rank(percent: int, expected: float) -> None:
    assert percentile_ms([float(n) for n in range(100, 0, -1)], percent) == expected


def test_the_stream_of_the_mock_has_the_events_that_the_load_expects() -> None:
    from ops.bench import mock

    assert len(mock.EVENTS) + 2 == EVENTS.events
    assert (PLAIN.tokens, EVENTS.tokens) == (mock.PLAIN_TOKENS, mock.STREAM_TOKENS)
