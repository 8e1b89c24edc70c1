"""The record of a request that was traced, as spans. Pure.

One for the request as the gateway served it, and below it one for each of its steps; the engine's
own come below those of the attempts. Names are those of OpenTelemetry's conventions for HTTP and
generative AI where these have one, else `bifocal.`. No text of a prompt or an answer is known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from serving.observer import RequestFinished
from serving.tracing import Stage, Step, Trace
from serving.values import Mode, Outcome, Route, Target

Value = str | int | float | bool
_OPERATIONS: Final = {"chat": "chat", "completions": "text_completion"}
_PATHS: Final = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


@dataclass(frozen=True, slots=True)
class Span:
    """Times in seconds since the request began."""

    name: str
    id: int
    parent_id: int | None
    begins: float
    ends: float
    attributes: dict[str, Value]
    events: tuple[tuple[str, float], ...] = ()
    faces: str = "inside"
    """`client`, `replica`, `inside`: whom it is turned to."""
    error: str | None = None
    """Set where it is ours, or the replica's, to mend."""


def spans(event: RequestFinished, trace: Trace) -> Iterator[Span]:
    """The request's own first."""
    yield _request(event, trace)
    for step in trace.steps:
        yield _step(step, event, trace)


def _request(event: RequestFinished, trace: Trace) -> Span:
    ours = event.status >= 500  # a span of a server is in error only where it is not the client's
    return Span(
        name=f"POST {_PATHS[event.endpoint]}",
        id=trace.span_id,
        parent_id=trace.parent_id,
        begins=0.0,
        ends=event.e2e_s,
        attributes=_known(
            {
                "http.request.method": "POST",
                "http.route": _PATHS[event.endpoint],
                "http.response.status_code": event.status,
                "url.path": _PATHS[event.endpoint],
                "url.scheme": "http",
                "error.type": event.error_code,
                "gen_ai.operation.name": _OPERATIONS[event.endpoint],
                "gen_ai.request.stream": event.stream,
                "gen_ai.response.time_to_first_chunk": event.ttft_s,
                **_tokens(event),
                **_route(event.route, "gen_ai.response.model"),
                "bifocal.team": event.team,
                "bifocal.outcome": event.outcome.value,
                "bifocal.request.id": event.id,
                "bifocal.retries": event.retries or None,
            }
        ),
        faces="client",
        error=(event.error_code or event.outcome.value) if ours else None,
    )


def _step(step: Step, event: RequestFinished, trace: Trace) -> Span:
    ended = event.e2e_s if step.ended is None else step.ended - trace.began
    times = (("first_byte", step.first_byte), ("first_token", step.first_token))
    return Span(
        name=_name(step, event),
        id=step.id,
        parent_id=trace.span_id,
        begins=step.began - trace.began,
        ends=ended,
        attributes=_known(_attributes(step, event)),
        events=tuple((name, at - trace.began) for name, at in times if at is not None),
        faces="replica" if step.stage is Stage.ATTEMPT else "inside",
        error=step.error if event.outcome is not Outcome.ABORTED else None,
    )


def _name(step: Step, event: RequestFinished) -> str:
    """The convention's for a call of a model: the operation and the model."""
    if step.stage is Stage.ATTEMPT and step.route is not None:
        return f"{_OPERATIONS[event.endpoint]} {step.route.model}"
    return step.stage.value


def _attributes(step: Step, event: RequestFinished) -> dict[str, Value | None]:
    if step.stage is Stage.DECIDE:
        return _route(event.route, "gen_ai.response.model")
    found = _route(step.route, "gen_ai.request.model")
    if step.target is not None:
        found |= {"gen_ai.operation.name": _OPERATIONS[event.endpoint], **_replica(step.target)}
    return {**found, "error.type": step.error}


def _route(route: Route | None, model: str) -> dict[str, Value | None]:
    if route is None:
        return {}
    thinks = route.mode is Mode.THINKING
    return {model: route.model, "bifocal.thinking": thinks, "bifocal.reason": route.reason}


def _replica(target: Target) -> dict[str, Value | None]:
    url = urlsplit(target.url)
    return {
        "gen_ai.provider.name": "vllm",
        "server.address": url.hostname,
        "server.port": url.port,
        "bifocal.replica": target.name,
    }


def _tokens(event: RequestFinished) -> dict[str, Value | None]:
    if (usage := event.usage) is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def _known(attributes: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}
