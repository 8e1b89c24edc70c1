"""The slice as a whole, and what must hold between its parts."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from serving.config.gateway import GatewaySpec
from serving.config.models import ModelSpec
from serving.config.section import Section, default
from serving.config.slo import Slo
from serving.config.tracing import TracingSpec
from serving.config.units import Seconds
from serving.config.weights import WeightsSpec
from serving.values import Mode, ModelName


class RouterSpec(Section):
    """What the virtual models stand for. Defaults: the model with the fewest active parameters,
    and the one with the most parameters."""

    fast: ModelName | None = None
    """What `fast` is, and what `auto` takes for what is easy."""
    deep: ModelName | None = None
    """What `deep` is, and what `auto` takes for what is hard."""


class ServingSpec(Section):
    """The slice as a whole; `deploy` adds its own keys beside these."""

    models: Annotated[dict[ModelName, ModelSpec], Field(min_length=1)]
    """The models that are served, by catalog name."""
    weights: WeightsSpec = WeightsSpec()
    """Where theirs come from, and where each node keeps them."""
    router: RouterSpec = RouterSpec()
    """What the virtual models stand for."""
    gateway: GatewaySpec = GatewaySpec()
    """Where the endpoint listens and who may use it."""
    slo: Slo = Slo()
    """What each mode promises."""
    tracing: TracingSpec | None = None
    """Where traces of requests go. Default: there are none."""
    longest_answer: Seconds = default("1h")
    """The most that one answer may take. Every timer that could cut a stream follows from it."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ServingSpec":
        if found := list(self.problems()):
            raise ValueError("\n".join(found))
        return self

    def problems(self) -> Iterator[str]:
        """What does not fit together, each with its key; `deploy` adds what only it can know, so
        that all is told at once."""
        yield from self._roles_without_a_model()
        yield from self._absences_without_an_answer()
        yield from self._answers_without_time()

    def _roles_without_a_model(self) -> Iterator[str]:
        for role, name in (("fast", self.router.fast), ("deep", self.router.deep)):
            if name is not None and name not in self.models:
                known = ", ".join(sorted(self.models))
                yield f"router.{role} names {name}, which is not among models ({known})"

    def _absences_without_an_answer(self) -> Iterator[str]:
        """Of the models that others stand in for. Two may stand in for each other: `instead` is
        followed once and no further, so no request goes in a circle."""
        for name, model in self.models.items():
            if model.instead is not None and model.instead not in self.models.keys() - {name}:
                others = ", ".join(sorted(self.models.keys() - {name})) or "none, it is alone"
                yield f"models.{name}.instead: found {model.instead!r}; allowed: {others}"
            if model.hold_for >= self.longest_answer:
                yield (
                    f"models.{name}.holdFor: found {model.hold_for:g}s; allowed: less than "
                    f"longestAnswer ({self.longest_answer:g}s), in which the answer must end, too"
                )

    def _answers_without_time(self) -> Iterator[str]:
        for mode in Mode:
            tokens = self.gateway.limits.output_tokens.of(mode)
            promise = self.slo.of(mode)
            needed = promise.ttft + tokens * promise.tpot
            if needed > self.longest_answer:
                most = int((self.longest_answer - promise.ttft) / promise.tpot)
                yield (
                    f"gateway.limits.outputTokens.{mode} is {tokens}, and at slo.{mode}'s "
                    f"{promise.ttft:g} s + {tokens} x {promise.tpot:g} s = {needed:g} s it does not"
                    f" fit in longestAnswer ({self.longest_answer:g} s); allowed is at most {most}"
                )
