"""`slo`: what each mode promises."""

from serving.config.section import Section, default
from serving.config.units import Seconds
from serving.values import Mode


class Promise(Section):
    """What a mode promises: the time to the first token and the time for each one after it."""

    ttft: Seconds
    """To the first token."""
    tpot: Seconds
    """For each token after it."""


class Slo(Section):
    """Promises by mode."""

    plain: Promise = default({"ttft": "500ms", "tpot": "50ms"})
    """Without thinking."""
    thinking: Promise = default({"ttft": "3s", "tpot": "80ms"})
    """With it."""

    def of(self, mode: Mode) -> Promise:
        return self.thinking if mode is Mode.THINKING else self.plain
