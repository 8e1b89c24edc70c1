"""Traces of requests for OpenTelemetry: from the gateway's records, over OTLP.

spans     a record as spans, in the words of OpenTelemetry's semantic conventions
sending   spans on their way to a collector, which may be away
"""

from ops.traces.sending import Traces

__all__ = ["Traces"]
