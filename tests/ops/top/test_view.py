"""Two looks in, what lies between them out."""

import io
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from rich.console import Console

from ops.metrics import PrometheusObserver
from ops.top import Decided, Moment, Pool, Replica, View, picture, screen, view
from ops.top.view import quantile
from serving.observer import Event, PoolNow, RequestFinished, RequestRouted
from serving.values import ReplicaSnapshot, Target, TargetId
from tests.ops.metrics.test_observer import REFUSED, ROUTE, WHOLE

MODEL = str(ROUTE.model)


def gateway_page(events: Sequence[Event], in_flight: int = 0) -> str:
    """A gateway that has seen these, with one replica of two."""
    observer = PrometheusObserver(CollectorRegistry())
    for event in events:
        observer.on(event)
    target = Target(TargetId("SERVE_REPLICA::p#p#one@10.0.0.1:1"), "http://10.0.0.1:1")
    there = ReplicaSnapshot(target, requests_in_flight=in_flight)
    body, _ = observer.render([PoolNow(ROUTE.model, 2, (there,))], {})
    return body.decode()


def engine_page(tokens: int, running: int = 3, waiting: int = 1, kv: float = 0.25) -> str:
    of = 'engine="0",model_name="m"'
    return (
        f"vllm:num_requests_running{{{of}}} {running}\n"
        f"vllm:num_requests_waiting{{{of}}} {waiting}\n"
        f"vllm:kv_cache_usage_perc{{{of}}} {kv}\n"
        f"# TYPE vllm:generation_tokens counter\nvllm:generation_tokens_total{{{of}}} {tokens}\n"
    )


def seen(first: Sequence[Event], then: Sequence[Event], *pages: str, seconds: float = 10) -> View:
    replica = (MODEL, "one")
    engines = [{replica: page} for page in pages] or [{}, {}]
    return view(
        Moment.of(100.0, gateway_page(first), engines[0]),
        Moment.of(100.0 + seconds, gateway_page([*first, *then], in_flight=4), engines[1]),
    )


ROUTED = RequestRouted(WHOLE.id, WHOLE.team, ROUTE)


def test_a_pool_is_seen_with_its_engines() -> None:
    found = seen([ROUTED, WHOLE], [ROUTED, WHOLE] * 20, engine_page(1000), engine_page(1500))
    (pool,) = found.pools
    assert (pool.wanted, pool.ready, pool.starting, pool.requests_s) == (2, 1, 1, 2.0)
    assert pool.replicas == (Replica("one", 4, 3, 1, 0.25, 50.0),)
    assert pool.tokens_s == 50.0
    assert pool.ttft_p50_s is not None
    assert 0.2 < pool.ttft_p50_s <= 0.3  # the bucket that holds 0.25 s
    assert found.decisions == (Decided(MODEL, "off", "fast", 20),)
    assert found.requests_s == 2.0


def test_what_came_before_is_not_of_now() -> None:
    found = seen([ROUTED, WHOLE, REFUSED] * 5, [], engine_page(7), engine_page(7))
    (pool,) = found.pools
    assert (found.requests_s, found.decisions, found.errors) == (0.0, (), {})
    assert (pool.ttft_p50_s, pool.tokens_s) == (None, 0.0)


def test_errors_are_told_by_code() -> None:
    assert seen([], [REFUSED] * 3).errors == {"model_not_found": 3}


def test_an_engine_that_was_replaced_counts_from_nothing() -> None:
    (pool,) = seen([], [], engine_page(5000), engine_page(40)).pools
    assert pool.tokens_s == 4.0


@pytest.mark.parametrize(
    ("share", "times", "expected"),
    [
        (0.5, {0.1: 10.0, 0.2: 10.0, float("inf"): 10.0}, 0.05),
        (0.95, {0.1: 0.0, 0.2: 10.0, float("inf"): 10.0}, 0.195),
        (0.5, {0.1: 0.0, float("inf"): 10.0}, 0.1),  # beyond what the buckets tell
        (0.5, {0.1: 0.0, float("inf"): 0.0}, None),
        (0.5, {}, None),
    ],
)
def test_a_quantile_is_prometheus(
    share: float, times: Mapping[float, float], expected: float | None
) -> None:
    assert quantile(share, times) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_a_quantile_lies_within_the_buckets(steps: list[int], share: float) -> None:
    total, times = 0, {}
    for number, step in enumerate(steps, start=1):
        total += step
        times[float(number)] = float(total)
    found = quantile(share, times)
    assert (found is None) == (total == 0)
    assert found is None or 0 <= found <= len(steps)


def a_view() -> View:
    two = (Replica("one", 1, 1, 0, 0.5, 9.0), Replica("two", 0, 0, 0, 0.0, 0.0))
    pool = Pool(MODEL, 2, 2, 0, 0, 1.5, 0.032, 2.5, two)
    many = tuple(Decided(MODEL, "off", f"reason-{n}", 20 - n) for n in range(12))
    return View(60, 1, 1.5, {"overloaded": 2}, (pool,), many)


def test_a_picture_holds_the_screen_and_fetches_nothing() -> None:
    drawn = picture(a_view(), "http://here")
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    text = drawn.replace("&#160;", " ")
    for piece in ("http://here", "2 of 2", "reason-0"):
        assert piece in text
    assert not re.search(r"@font-face|url\((?!#)", drawn)


def test_the_screen_holds_what_matters() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(screen(a_view(), "http://here"))
    text = console.export_text()
    for piece in ("2 of 2", "32 ms", "2.5 s", "two", "reason-0", "others", "2 overloaded"):
        assert piece in text
    assert "reason-9" not in text


@pytest.mark.parametrize(
    "names", [("pocket-dense", "pocket-moe"), ("q" * 40 + "-1", "q" * 40 + "-2")]
)
def test_a_narrow_terminal_tells_pools_apart(names: tuple[str, str]) -> None:
    replicas = (Replica("SERVE_one", 12, 30, 0, 0.5, 900.0),) * 2
    pools = tuple(Pool(name, 2, 1, 1, 0, 21.5, 0.132, 12.5, replicas) for name in names)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(screen(View(60, 1, 1.5, {}, pools, ()), "http://here"))
    text = console.export_text()
    assert "…" not in text
    assert text.count("12.5 s") == len(names)
    first = "".join(line.split("  ")[0].rstrip() for line in text.splitlines()[2:])
    for name in names:
        assert name in first


def test_a_finished_request_is_no_decision() -> None:
    assert isinstance(WHOLE, RequestFinished)
    assert seen([], [WHOLE]).decisions == ()
