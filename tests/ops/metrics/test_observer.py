"""Events in, samples out, to the last one."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ops.metrics import PrometheusObserver
from ops.metrics.labels import OTHER, TeamGuard, error_codes
from serving.observer import (
    Event,
    Observer,
    PoolNow,
    ReplicaFailed,
    RequestFinished,
    RequestRouted,
)
from serving.values import (
    Mode,
    ModelName,
    Outcome,
    ReplicaSnapshot,
    RequestId,
    Route,
    Target,
    TargetId,
    Team,
    Usage,
)

ROUTE = Route(ModelName("pocket-dense"), Mode.PLAIN, "fast")
DEEP = Route(ModelName("pocket-moe"), Mode.THINKING, "hard")
OF = {"model": "pocket-dense", "thinking": "off"}
RED = {**OF, "team": "red"}
WHOLE = RequestFinished(
    id=RequestId("r"),
    endpoint="chat",
    team=Team("red"),
    route=ROUTE,
    outcome=Outcome.OK,
    status=200,
    stream=True,
    e2e_s=1.25,
    ttft_s=0.25,
    usage=Usage(prompt_tokens=7, completion_tokens=11, reasoning_tokens=4),
)
REFUSED = replace(
    WHOLE,
    route=None,
    outcome=Outcome.CLIENT_ERROR,
    status=404,
    ttft_s=None,
    usage=None,
    error_code="model_not_found",
)
ABORTED = replace(WHOLE, outcome=Outcome.ABORTED, status=499, usage=None)


def samples(
    events: Iterable[Event], **options: Any
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples that are not 0 of our own metrics, without buckets."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry, **options)
    for event in events:
        observer.on(event)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("bifocal_")
        and "bifocal_promise" not in sample.name
        and "le" not in sample.labels
        and sample.value
    }


def row(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"bifocal_{name}", frozenset(labels.items())


CASES = {
    "a routed request": (
        [RequestRouted(RequestId("r"), Team("red"), DEEP)],
        {row("router_decisions_total", model="pocket-moe", thinking="on", reason="hard"): 1},
    ),
    "a whole stream": (
        [WHOLE],
        {
            row("requests_total", endpoint="chat", outcome="ok", **RED): 1,
            row("time_to_first_token_seconds_count", **OF): 1,
            row("time_to_first_token_seconds_sum", **OF): 0.25,
            row("time_per_output_token_seconds_count", **OF): 1,
            row("time_per_output_token_seconds_sum", **OF): 0.1,
            row("request_duration_seconds_count", **OF): 1,
            row("request_duration_seconds_sum", **OF): 1.25,
            row("prompt_tokens_total", **RED): 7,
            row("reasoning_tokens_total", **RED): 4,
            row("answer_tokens_total", **RED): 7,
        },
    ),
    "a whole answer that was not streamed": (
        [replace(WHOLE, stream=False, ttft_s=None, usage=Usage(7, 11))],
        {
            row("requests_total", endpoint="chat", outcome="ok", **RED): 1,
            row("request_duration_seconds_count", **OF): 1,
            row("request_duration_seconds_sum", **OF): 1.25,
            row("prompt_tokens_total", **RED): 7,
            row("answer_tokens_total", **RED): 11,
        },
    ),
    "a stream of one token has no time per token": (
        [replace(WHOLE, usage=Usage(7, 1))],
        {
            row("requests_total", endpoint="chat", outcome="ok", **RED): 1,
            row("time_to_first_token_seconds_count", **OF): 1,
            row("time_to_first_token_seconds_sum", **OF): 0.25,
            row("request_duration_seconds_count", **OF): 1,
            row("request_duration_seconds_sum", **OF): 1.25,
            row("prompt_tokens_total", **RED): 7,
            row("answer_tokens_total", **RED): 1,
        },
    ),
    "an aborted stream has its first token and no speed": (
        [ABORTED],
        {
            row("requests_total", endpoint="chat", outcome="aborted", **RED): 1,
            row("time_to_first_token_seconds_count", **OF): 1,
            row("time_to_first_token_seconds_sum", **OF): 0.25,
        },
    ),
    "a request refused before a decision": (
        [REFUSED],
        {
            row(
                "requests_total",
                endpoint="chat",
                outcome="client_error",
                model="none",
                thinking="none",
                team="red",
            ): 1,
            row("errors_total", endpoint="chat", code="model_not_found"): 1,
        },
    ),
    "a code that is not ours": (
        [replace(REFUSED, error_code="free text of an engine")],
        {
            row(
                "requests_total",
                endpoint="chat",
                outcome="client_error",
                model="none",
                thinking="none",
                team="red",
            ): 1,
            row("errors_total", endpoint="chat", code="other"): 1,
        },
    ),
    "retries and a failed replica": (
        [
            ReplicaFailed(ModelName("pocket-dense"), "unreachable"),
            replace(WHOLE, ttft_s=None, usage=None, outcome=Outcome.ENGINE_ERROR, retries=1),
        ],
        {
            row("replica_failures_total", model="pocket-dense", reason="unreachable"): 1,
            row("request_retries_total", model="pocket-dense"): 1,
            row("requests_total", endpoint="chat", outcome="engine_error", **RED): 1,
        },
    ),
}


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES.keys())
def test_events_become_these_samples_and_no_others(
    events: list[Event], expected: dict[tuple[str, frozenset[tuple[str, str]]], float]
) -> None:
    assert samples(events) == pytest.approx(expected)


def test_a_second_event_of_a_kind_adds_up() -> None:
    found = samples([WHOLE, WHOLE])
    assert found[row("requests_total", endpoint="chat", outcome="ok", **RED)] == 2
    assert found[row("prompt_tokens_total", **RED)] == 14


@pytest.mark.parametrize(
    ("outcome", "reasoning", "empty"),
    [
        pytest.param(Outcome.OK, 10, 1, id="cut within its thinking, one tag"),
        pytest.param(Outcome.OK, 9, 1, id="cut after its thinking, two tags"),
        pytest.param(Outcome.OK, 8, 0, id="it said something"),
        pytest.param(Outcome.OK, 0, 0, id="it did not think"),
        pytest.param(Outcome.ABORTED, 11, 0, id="the client left while it thought"),
    ],
)
def test_an_answer_that_is_all_thinking_is_empty(
    outcome: Outcome, reasoning: int, empty: int
) -> None:
    usage = Usage(prompt_tokens=7, completion_tokens=11, reasoning_tokens=reasoning)
    event = replace(WHOLE, route=DEEP, outcome=outcome, usage=usage)
    name = row("empty_answers_total", model="pocket-moe", thinking="on")
    assert samples([event]).get(name, 0) == empty


def test_empty_answers_begin_at_none_where_the_modes_are_known() -> None:
    registry = CollectorRegistry()
    PrometheusObserver(registry, offered={DEEP.model: (Mode.PLAIN, Mode.THINKING)})
    of = {"model": "pocket-moe", "thinking": "on"}
    assert registry.get_sample_value("bifocal_empty_answers_total", of) == 0


def test_in_flight_goes_up_and_down() -> None:
    registry = CollectorRegistry()
    observer: Observer = PrometheusObserver(registry)
    observer.in_flight(1)
    observer.in_flight(1)
    observer.in_flight(-1)
    assert registry.get_sample_value("bifocal_requests_in_flight") == 1


def test_teams_beyond_the_most_share_a_label() -> None:
    events = [replace(WHOLE, team=Team(f"team-{n}")) for n in range(5)] * 2
    found = samples(events, max_teams=2)
    counts = {
        dict(labels)["team"]: value
        for (name, labels), value in found.items()
        if name == "bifocal_answer_tokens_total"
    }
    assert counts == {"team-0": 14, "team-1": 14, OTHER: 42}


def test_a_known_team_keeps_its_label_when_the_guard_is_full() -> None:
    guard = TeamGuard(most=1)
    labels = [guard.label(Team(team)) for team in ("red", "blue", "red")]
    assert labels == ["red", OTHER, "red"]


def test_the_codes_are_those_of_the_error_tree() -> None:
    assert {"model_not_found", "timeout", "pool_loading", "invalid_api_key"} <= error_codes()


def test_two_observers_share_nothing() -> None:
    assert samples([WHOLE]) == samples([WHOLE])


def test_render_answers_in_the_text_format_with_the_process_and_no_creation_times() -> None:
    observer = PrometheusObserver()
    observer.on(WHOLE)
    body, content_type = observer.render([], {})
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b'bifocal_requests_total{endpoint="chat"' in body
    assert b"process_cpu_seconds_total" in body
    assert b"_created" not in body


def replica(name: str, requests: int = 0, *, failing: bool = False) -> ReplicaSnapshot:
    target = Target(TargetId(f"SERVE_REPLICA::p#p#{name}@10.0.0.1:1"), "http://10.0.0.1:1")
    return ReplicaSnapshot(target, requests_in_flight=requests, failing=failing)


def test_pools_are_shown_as_they_are_and_what_has_gone_is_gone() -> None:
    observer = PrometheusObserver()
    deep = ModelName("pocket-moe")
    there = (replica("one", 3), replica("two", failing=True))
    before, _ = observer.render([PoolNow(deep, 3, there), PoolNow(ModelName("far"), None, ())], {})
    after, _ = observer.render([PoolNow(deep, 1, there[:1])], {Team("red"): 1.5e9})
    for line in (
        'bifocal_pool_replicas{model="pocket-moe",state="ready"} 1.0',
        'bifocal_pool_replicas{model="pocket-moe",state="failing"} 1.0',
        'bifocal_pool_replicas{model="pocket-moe",state="starting"} 1.0',
        'bifocal_pool_replicas{model="far",state="ready"} 0.0',
        'bifocal_pool_replicas_wanted{model="pocket-moe"} 3.0',
        'bifocal_replica_requests_in_flight{model="pocket-moe",replica="one"} 3.0',
    ):
        assert line in before.decode().splitlines()
    assert b'wanted{model="far"}' not in before
    assert b'bifocal_key_expires_timestamp_seconds{team="red"} 1.5e+09' in after
    assert b'replica="two"' not in after
