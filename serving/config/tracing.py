"""`tracing`: where traces of requests go, and of how many."""

from typing import Annotated

from pydantic import Field

from serving.config.section import Section


class TracingSpec(Section):
    """Traces of requests, from the gateway to the engine's queue, prefill and decode (see
    docs/tracing.md)."""

    endpoint: Annotated[str, Field(pattern=r"^http://[A-Za-z0-9.-]+:[1-9][0-9]{0,4}$")]
    """A collector that takes OTLP over gRPC, as gateway and engines reach it:
    `http://collector:4317`."""
    sample: Annotated[float, Field(gt=0, le=1)] = 0.01
    """The part of all traces that is kept, those that clients began included."""
