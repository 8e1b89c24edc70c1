"""Spans on their way to a collector that is there, and to one that is away."""

import logging
import time
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from ops.metrics import PrometheusObserver
from ops.traces import Traces
from serving.observer import Observer
from tests.e2e.collector import collecting
from tests.ops.traces.test_spans import ATTEMPT, DECIDE, PARENT, SELF, TRACE, WELL, trace_of
from tests.serving.ports import closed, silent

NOW_NS = 1_000_000_000_000
TRACED = replace(WELL, trace=trace_of(DECIDE, replace(ATTEMPT, error="engine_failed")))


def traces(port: int) -> Traces:
    beside = PrometheusObserver(CollectorRegistry())
    return Traces(beside, f"http://127.0.0.1:{port}", lambda: NOW_NS)


def test_a_collector_gets_them_with_the_ids_that_a_replica_was_told() -> None:
    port = closed()
    with collecting(port) as collector:
        sending = traces(port)
        observer: Observer = sending
        observer.on(TRACED)
        observer.on(WELL)
        assert b"bifocal_requests_total" in observer.render([], {})[0]
        sending.end()
        request, decide, attempt = collector.of(f"{TRACE:032x}")

    assert request.service == "bifocal-gateway"
    assert request.parent == f"{PARENT:016x}"
    assert decide.parent == attempt.parent == request.id == f"{SELF:016x}"
    assert (request.begins, request.ends) == (NOW_NS - 2_500_000_000, NOW_NS)
    assert attempt.events["first_token"] == request.begins + 1_000_000_000
    assert request.attributes["gen_ai.usage.output_tokens"] == 20
    assert (request.error, attempt.error) == ("", "engine_failed")


def test_one_that_is_away_costs_no_request_time_and_the_log_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sending = traces(closed())
    with caplog.at_level(logging.INFO):
        began = time.monotonic()
        for _ in range(1000):
            sending.on(TRACED)
        told_s = time.monotonic() - began
        sending.end()
    assert told_s < 1.0
    assert time.monotonic() - began < 6.0
    assert [r.message.split(" http")[0] for r in caplog.records if r.name == "bifocal.traces"] == [
        "no trace reaches"
    ]


def test_one_that_accepts_and_says_nothing_keeps_nobody_from_ending() -> None:
    with silent() as port:
        sending = traces(port)
        sending.on(TRACED)
        began = time.monotonic()
        sending.end()
    assert time.monotonic() - began < 4.0
