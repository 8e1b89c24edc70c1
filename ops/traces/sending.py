"""Spans on their way to a collector, in OpenTelemetry's own SDK.

A collector that is away costs the spans and nothing else: they wait in a queue that is bounded, are
sent by a thread of its own, and given up after a while. The log says so once, not each time.
"""

import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from ops.traces.spans import Span, spans
from serving.observer import Event, Observer, PoolNow, RequestFinished
from serving.tracing import Trace
from serving.values import Team

log: Final = logging.getLogger("bifocal.traces")

SERVICE: Final = "bifocal-gateway"
SEND_WITHIN_S: Final = 2.0
"""Within one cluster a batch takes milliseconds; one that is late is given up."""
QUEUE: Final = 2048
"""Spans that wait at most, about a megabyte: five hundred requests."""
BATCH: Final = 128
"""Spans at once; to write so many takes the interpreter a few milliseconds from the requests."""
EVERY_S: Final = 1.0
_KINDS: Final = {
    "client": api.SpanKind.SERVER,
    "replica": api.SpanKind.CLIENT,
    "inside": api.SpanKind.INTERNAL,
}


class Traces:
    """Sends the spans of each request that was traced, beside what the given observer does."""

    def __init__(
        self, beside: Observer, endpoint: str, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._beside, self._now_ns = beside, now_ns
        self._patient = Patient(
            OTLPSpanExporter(endpoint, insecure=True, timeout=SEND_WITHIN_S), endpoint
        )
        self._ids = GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # what comes here has been chosen
            resource=Resource.create({"service.name": SERVICE, "host.name": platform.node()}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        batches = BatchSpanProcessor(self._patient, QUEUE, EVERY_S * 1000, BATCH)
        self._provider.add_span_processor(batches)
        self._tracer = self._provider.get_tracer("bifocal")

    def on(self, event: Event) -> None:
        self._beside.on(event)
        if isinstance(event, RequestFinished) and event.trace is not None:
            self._send(event, event.trace)

    def in_flight(self, change: int) -> None:
        self._beside.in_flight(change)

    def render(self, pools: Sequence[PoolNow], expiries: Mapping[Team, float]) -> tuple[bytes, str]:
        return self._beside.render(pools, expiries)

    def end(self) -> None:
        """Sends what waits; a collector that is away is tried once more and no longer."""
        self._patient.hurries = True
        self._provider.shutdown()

    def _send(self, event: RequestFinished, trace: Trace) -> None:
        began_ns = self._now_ns() - round(event.e2e_s * 1e9)
        for span in spans(event, trace):
            self._ids.trace_id, self._ids.span_id = trace.id, span.id
            self._write(span, trace.id, began_ns)

    def _write(self, span: Span, trace_id: int, began_ns: int) -> None:
        def at(seconds: float) -> int:
            return began_ns + round(seconds * 1e9)

        context = None
        if span.parent_id is not None:
            flags = api.TraceFlags(api.TraceFlags.SAMPLED)
            parent = api.SpanContext(trace_id, span.parent_id, is_remote=True, trace_flags=flags)
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
        written = self._tracer.start_span(
            span.name, context, _KINDS[span.faces], span.attributes, start_time=at(span.begins)
        )
        for name, seconds in span.events:
            written.add_event(name, timestamp=at(seconds))
        if span.error is not None:
            written.set_status(api.StatusCode.ERROR, span.error)
        written.end(at(span.ends))


class GivenIds(IdGenerator):
    """Those of the next span. A replica was told them before there was one."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class Patient(SpanExporter):
    """Another exporter, whose failures are told once until it is well again."""

    def __init__(self, inner: SpanExporter, endpoint: str) -> None:
        self._inner, self._endpoint = inner, endpoint
        self._away = False
        self.hurries = False
        # It would tell of each try.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._away and self.hurries:
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away and not self._away:
            log.warning("no trace reaches %s; until one does they are lost", self._endpoint)
        elif self._away and not away:
            log.info("traces reach %s again", self._endpoint)
        self._away = away
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)
