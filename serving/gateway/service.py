"""What the endpoint serves, and what it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving import routing
from serving.catalog import ModelFacts
from serving.config import Limits
from serving.gateway.standing import StandingOrders
from serving.keys import KeyStore
from serving.observer import Observer
from serving.routing.absence import Policy
from serving.tracing import Sampler
from serving.values import ModelName


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served here."""

    facts: ModelFacts
    precision: str
    absence: Policy = field(default_factory=Policy)
    """What becomes of its requests while it is away."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the endpoint is made of; all of it is built by the composition root."""

    family: routing.Family
    served: Mapping[ModelName, Served]
    keys: KeyStore
    observer: Observer
    limits: Limits
    keep_alive_s: float
    """Seconds."""
    longest_answer_s: float
    """Seconds."""
    standing: StandingOrders = field(default_factory=StandingOrders)
    """What operators have ordered."""
    sampler: Sampler | None = None
    """None: no request is traced."""
