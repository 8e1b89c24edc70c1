"""The frozen facts that every room shares. No behaviour beyond what follows from the fields."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

ModelName = NewType("ModelName", str)
"""A catalog name (`qwen3-8b`); also the name of the pool that serves the model."""
Team = NewType("Team", str)
RequestId = NewType("RequestId", str)
TargetId = NewType("TargetId", str)
"""Names one replica for as long as it lives."""

AUTO: Final = "auto"
"""The model of a request that names none."""
OPEN_TEAM = Team("open")
"""The team of every request while the endpoint has no keys."""


class Mode(StrEnum):
    """Whether the model thinks before it answers."""

    PLAIN = "plain"
    THINKING = "thinking"


class Outcome(StrEnum):
    """How a request ended; a bounded label of the metrics."""

    OK = "ok"
    CLIENT_ERROR = "client_error"
    """Refused, and the client can mend it: 4xx."""
    REJECTED = "rejected"
    """Refused for want of capacity: 429, or 503 while a pool loads."""
    ENGINE_ERROR = "engine_error"
    """The engine failed or could not be reached: 5xx, or an error event in the stream."""
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    """The client hung up."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the router may know of a request. It holds no text, so it can be logged and replayed."""

    model: str
    """As the client wrote it: a model's name, its Hugging Face id, or auto, fast, deep."""
    enable_thinking: bool | None = None
    """The hard switch, `chat_template_kwargs.enable_thinking`."""
    soft_switch: Mode | None = None
    """`/think` or `/no_think`, the last one of the latest user turn."""
    reasoning_effort: str | None = None
    """OpenAI's field."""
    prompt_chars: int = 0
    """All text of all messages."""
    question_chars: int = 0
    """The latest user turn."""
    numbers: int = 0
    """Numbers in the latest user turn."""
    longest_number: int = 0
    """Digits of the longest number in the latest user turn."""
    asks_for_sum: bool = False
    """A plus between numbers, a word for a sum, or a list of numbers to be added up."""
    has_code: bool = False
    """Source code, or words of a task about code."""
    has_maths: bool = False
    """Notation of mathematics: formulas, powers, roots, integrals, LaTeX."""
    asks_for_reasoning: bool = False
    """Words that ask for steps, a proof, an analysis, in the languages the features know."""
    tools: int = 0
    """Tools offered."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes and why."""

    model: ModelName
    mode: Mode
    reason: str
    """One of a bounded set (a label of the metrics)."""


@dataclass(frozen=True, slots=True)
class Target:
    """One replica's address. `url` ends without a slash and keeps the pool's route prefix."""

    id: TargetId
    url: str
    token: str | None = field(default=None, repr=False)
    """What opens its door: its source's, so that no other source's replicas see it."""

    @property
    def name(self) -> str:
        """Of Ray's long name only what tells a replica from the pool's others: `m4hz0f3k` of
        `SERVE_REPLICA::pool#pool#m4hz0f3k@10.0.0.7:30000`; its address where it has no name."""
        name, _, address = self.id.rpartition("@")
        return name.rpartition("#")[2] or address


@dataclass(frozen=True, slots=True)
class Load:
    """What a replica's door says of its engine, at the time of an answer."""

    running: int
    waiting: int
    kv_cache_usage: float
    """0..1"""


@dataclass(frozen=True, slots=True)
class ReplicaSnapshot:
    """A replica as the gateway sees it now."""

    target: Target
    tokens_in_flight: int = 0
    """Estimated tokens of our own requests that are on it and not yet answered."""
    requests_in_flight: int = 0
    load: Load | None = None
    """None until its door has spoken, and when what it said is too old."""
    foreign_requests: int = 0
    """Requests on it that were not ours when its door last spoke."""
    failing: bool = False
    """It failed and has not answered since."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the engine counted them."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    """Those of the completion that are thinking."""

    @property
    def answer_tokens(self) -> int:
        return max(0, self.completion_tokens - self.reasoning_tokens)
