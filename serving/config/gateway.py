"""`gateway`: where the endpoint listens, who may use it, what one request may take."""

from typing import Annotated

from pydantic import Field

from serving.config.section import Section, default
from serving.config.units import Bytes, Seconds
from serving.values import Mode


class OutputTokens(Section):
    """The most tokens of one answer, by mode. Qwen recommends up to 38,912 for hard problems."""

    plain: Annotated[int, Field(ge=1)] = 16_384
    """Without thinking."""
    thinking: Annotated[int, Field(ge=1)] = 38_912
    """Thinking and answer together."""

    def of(self, mode: Mode) -> int:
        return self.thinking if mode is Mode.THINKING else self.plain


class Limits(Section):
    """What one request, or all of them together, may take."""

    body_size: Bytes = default("4MiB")
    """Of a request."""
    json_depth: Annotated[int, Field(ge=4)] = 64
    """Objects and lists inside each other."""
    messages: Annotated[int, Field(ge=1)] = 1024
    """Of one conversation."""
    tools: Annotated[int, Field(ge=1)] = 128
    """Offered with one request."""
    choices: Annotated[int, Field(ge=1)] = 8
    """`n`"""
    stops: Annotated[int, Field(ge=1)] = 16
    """Strings in `stop`."""
    logprobs: Annotated[int, Field(ge=0)] = 20
    """`top_logprobs`; vLLM's own ceiling is 20."""
    schema_size: Bytes = default("64KiB")
    """A JSON schema is compiled into a grammar before the first token, so its size is time."""
    output_tokens: OutputTokens = OutputTokens()
    """The most that a client may ask for in `max_tokens`."""
    concurrent_requests: Annotated[int, Field(ge=1)] = 512
    """Of all clients together; the next one is answered 429."""
    time_to_first_byte: Seconds = default("300s")
    """Waiting for the engine's first byte, queueing included."""


class GatewaySpec(Section):
    """Where the endpoint listens and who may use it."""

    host: str = "127.0.0.1"
    """An address beyond loopback needs `keys`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes a free one."""
    keys: str | None = None
    """A file of keys (`bifocal key new` prints its lines), relative to the cluster file."""
    keep_alive: Seconds = default("10s")
    """A stream that is silent for so long gets a comment, so that no proxy cuts it."""
    targets_every: Seconds = default("1s")
    """How often the gateway asks Ray where the replicas are."""
    limits: Limits = Limits()
    """What one request, or all of them together, may take."""
