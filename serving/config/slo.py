"""`slo`: what each mode promises."""

from typing import Annotated

from pydantic import Field

from serving.config.section import Section, default
from serving.config.units import Seconds
from serving.values import Mode

Share = Annotated[float, Field(gt=0, lt=1)]
"""Of all requests. All of them is no promise: it leaves nothing to spend on a change."""


class Promise(Section):
    """What a mode promises: the time to the first token and the time for each one after it."""

    ttft: Seconds
    """To the first token."""
    tpot: Seconds
    """For each token after it."""
    kept: Share = 0.99
    """The share of requests that keep each of them: the rest is the budget that alerts watch."""


class Slo(Section):
    """Promises by mode."""

    plain: Promise = default({"ttft": "500ms", "tpot": "50ms"})
    """Without thinking."""
    thinking: Promise = default({"ttft": "3s", "tpot": "80ms"})
    """With it."""
    availability: Share = 0.999
    """The share of requests that are answered, of those that can be."""

    def of(self, mode: Mode) -> Promise:
        return self.thinking if mode is Mode.THINKING else self.plain
