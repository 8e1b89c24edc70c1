"""A traced request as spans, in OpenTelemetry's words."""

from dataclasses import replace

import pytest

from ops.traces.spans import Span, spans
from serving.observer import RequestFinished
from serving.tracing import Stage, Step, Trace
from serving.values import (
    Mode,
    ModelName,
    Outcome,
    RequestId,
    Route,
    Target,
    TargetId,
    Team,
    Usage,
)

ROUTE = Route(ModelName("qwen3-8b"), Mode.THINKING, "a sum")
TARGET = Target(TargetId("SERVE_REPLICA::p#p#m4@10.0.0.7:30000"), "http://10.0.0.7:30000/pools/p")
TRACE, SELF, PARENT, BEGAN = 0xABC, 8, 5, 100.0


def trace_of(*steps: Step) -> Trace:
    return Trace(TRACE, SELF, PARENT, BEGAN, list(steps))


DECIDE = Step(Stage.DECIDE, TRACE, SELF + 1, 100.0, ended=100.1)
ATTEMPT = Step(
    Stage.ATTEMPT, TRACE, SELF + 2, 100.1, ROUTE, TARGET, ended=102.0, first_byte=100.5,
    first_token=101.0,
)  # fmt: skip
WELL = RequestFinished(
    id=RequestId("req-1"),
    endpoint="chat",
    team=Team("search"),
    route=ROUTE,
    outcome=Outcome.OK,
    status=200,
    stream=True,
    e2e_s=2.5,
    ttft_s=1.0,
    usage=Usage(30, 20, 12),
)


def made(event: RequestFinished, *steps: Step) -> list[Span]:
    return list(spans(event, trace_of(*steps)))


def test_a_request_is_a_span_of_a_server_with_its_steps_below_it() -> None:
    request, decide, attempt = made(WELL, DECIDE, ATTEMPT)
    assert (request.name, request.faces, request.error) == (
        "POST /v1/chat/completions", "client", None,
    )  # fmt: skip
    assert [span.id for span in (request, decide, attempt)] == [SELF, SELF + 1, SELF + 2]
    assert [span.parent_id for span in (request, decide, attempt)] == [PARENT, SELF, SELF]
    assert (request.begins, request.ends) == (0.0, 2.5)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "qwen3-8b",
        "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 12,
        "bifocal.thinking": True,
        "bifocal.reason": "a sum",
        "bifocal.team": "search",
        "bifocal.outcome": "ok",
        "bifocal.request.id": "req-1",
    }


def test_an_attempt_is_a_span_of_a_client_and_says_where_and_when() -> None:
    *_, attempt = made(WELL, DECIDE, ATTEMPT)
    assert (attempt.name, attempt.faces) == ("chat qwen3-8b", "replica")
    assert [attempt.begins, attempt.ends] == pytest.approx([0.1, 2.0])
    assert dict(attempt.events) == {"first_byte": pytest.approx(0.5), "first_token": 1.0}
    assert attempt.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "qwen3-8b",
        "server.address": "10.0.0.7",
        "server.port": 30000,
        "bifocal.replica": "m4",
        "bifocal.thinking": True,
        "bifocal.reason": "a sum",
    }


def test_what_failed_and_was_tried_again_is_the_attempts_error_alone() -> None:
    failed = replace(ATTEMPT, error="engine_failed")
    event = replace(WELL, retries=1)
    request, first, second = made(event, failed, replace(ATTEMPT, id=SELF + 3))
    assert (request.error, first.error, second.error) == (None, "engine_failed", None)
    assert first.attributes["error.type"] == "engine_failed"
    assert request.attributes["bifocal.retries"] == 1


@pytest.mark.parametrize(
    ("outcome", "status", "code", "error"),
    [
        pytest.param(Outcome.ENGINE_ERROR, 502, "engine_failed", "engine_failed", id="ours"),
        pytest.param(Outcome.CLIENT_ERROR, 400, "context_overflow", None, id="the client's"),
        pytest.param(Outcome.REJECTED, 429, "too_many_requests", None, id="too much"),
        pytest.param(Outcome.ABORTED, 499, None, None, id="hung up"),
    ],
)
def test_only_what_is_ours_to_mend_is_an_error_of_the_request(
    outcome: Outcome, status: int, code: str | None, error: str | None
) -> None:
    ended = replace(WELL, outcome=outcome, status=status, error_code=code, usage=None)
    request, _, attempt = made(ended, DECIDE, replace(ATTEMPT, error=code or "cancelled"))
    assert request.error == error
    assert request.attributes.get("error.type") == code
    assert (attempt.error is None) == (outcome is Outcome.ABORTED)


def test_a_request_that_was_refused_before_a_decision_has_no_model() -> None:
    refused = replace(WELL, route=None, usage=None, ttft_s=None, status=404)
    (request,) = made(refused)
    assert not [name for name in request.attributes if name.startswith("gen_ai.res")]
