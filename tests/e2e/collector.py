"""A collector of traces: takes OTLP over gRPC, as a real one does, and keeps what it was sent."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service


@dataclass(frozen=True)
class Seen:
    """One span."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    begins: int
    ends: int
    attributes: dict[str, Any]
    events: dict[str, int]
    """When, by name, in nanoseconds since the epoch as the other times."""
    error: str


@dataclass
class Collector(service.TraceServiceServicer):
    requests: list[wire.ExportTraceServiceRequest] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request: Any, context: Any) -> Any:
        with self._lock:
            self.requests.append(request)
        return wire.ExportTraceServiceResponse()

    def of(self, trace: str) -> list[Seen]:
        """In the order in which they began."""
        with self._lock:
            found = [span for request in self.requests for span in _spans(request)]
        return sorted((span for span in found if span.trace == trace), key=lambda s: s.begins)


@contextmanager
def collecting(port: int) -> Iterator[Collector]:
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    collector = Collector()
    service.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _spans(request: wire.ExportTraceServiceRequest) -> Iterator[Seen]:
    for part in request.resource_spans:
        name = _plain(part.resource.attributes)["service.name"]
        for scope in part.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    service=name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    begins=span.start_time_unix_nano,
                    ends=span.end_time_unix_nano,
                    attributes=_plain(span.attributes),
                    events={event.name: event.time_unix_nano for event in span.events},
                    error=span.status.message if span.status.code == 2 else "",
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def drawn(spans: list[Seen]) -> str:
    """As a page shows one trace: each span below its parent, with the seconds in which it was."""
    first = min(span.begins for span in spans)
    known = {span.id for span in spans}

    def lines(parent: str | None, depth: int) -> Iterator[str]:
        for span in spans:
            if span.parent == parent or (parent is None and span.parent not in known):
                name = "  " * depth + span.name
                at = f"{(span.begins - first) / 1e9:6.3f} .. {(span.ends - first) / 1e9:6.3f} s"
                told = [f"{k} {(v - first) / 1e9:.3f}" for k, v in span.events.items()]
                yield "  ".join([f"{name:<30}", f"{span.service:<25}", at, *told])
                yield from lines(span.id, depth + 1)

    return "\n".join(lines(None, 0))
