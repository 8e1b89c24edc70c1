"""A request's line, and what else is written as JSON."""

import json
import logging
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from ops.logs import JsonLines, RequestLog
from ops.metrics import PrometheusObserver
from serving.observer import Observer, RequestFinished, RequestRouted
from serving.tracing import Trace
from tests.ops.metrics.test_observer import REFUSED, ROUTE, WHOLE


def line_of(record: logging.LogRecord) -> dict[str, object]:
    text = JsonLines().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def lines(
    caplog: pytest.LogCaptureFixture, *events: RequestFinished | RequestRouted
) -> list[dict[str, object]]:
    observer: Observer = RequestLog(PrometheusObserver(CollectorRegistry()))
    with caplog.at_level(logging.INFO, "bifocal.requests"):
        for event in events:
            observer.on(event)
    assert b"bifocal_requests_total" in observer.render([], {})[0]
    return [line_of(record) for record in caplog.records]


def test_a_request_that_ended_is_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines(caplog, RequestRouted(WHOLE.id, WHOLE.team, ROUTE), WHOLE)
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "bifocal.requests",
        "message": "request ended",
        "request": "r",
        "endpoint": "chat",
        "team": "red",
        "model": "pocket-dense",
        "thinking": False,
        "reason": "fast",
        "outcome": "ok",
        "status": 200,
        "stream": True,
        "ttft_s": 0.25,
        "tpot_s": 0.1,
        "e2e_s": 1.25,
        "prompt_tokens": 7,
        "reasoning_tokens": 4,
        "answer_tokens": 7,
    }


def test_a_request_that_is_traced_has_the_id_of_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (line,) = lines(caplog, replace(WHOLE, trace=Trace(0xABC, 1, None, 0.0)))
    assert line["trace"] == f"{'0' * 29}abc"


def test_what_is_not_known_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines(caplog, REFUSED)
    assert (line["error_code"], line["status"]) == ("model_not_found", 404)
    assert not {"model", "thinking", "ttft_s", "prompt_tokens", "retries"} & line.keys()


def test_an_error_is_told_by_where_it_was_and_not_by_its_words() -> None:
    words = "-".join(("a", "prompt"))
    try:
        raise ValueError(words)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("bifocal", logging.ERROR, __file__, 1, "it failed", (), told)
    line = line_of(record)
    assert (line["level"], line["message"], line["error"]) == ("error", "it failed", "ValueError")
    assert "test_an_error_is_told" in str(line["frames"])
    assert words not in json.dumps(line)


def test_lines_and_letters_of_any_kind_stay_on_one_line() -> None:
    record = logging.LogRecord("bifocal", logging.INFO, __file__, 1, 'a\nb "c" \u2028 質', (), None)
    assert line_of(record)["message"] == 'a\nb "c" \u2028 質'
