"""One upgrade: its two sides, and who is away meanwhile. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.diff.rendered import Rendered
from deploy.groups import GpuSpec
from deploy.local.pools import pools_of
from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.engine import Pool
from serving.values import ModelName

DRAIN_S: Final = 30
"""Beyond the longest answer: `_deadlines.tpl` gives a node of Ray's as long to drain."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    before: Rendered
    after: Rendered
    away: frozenset[str] = frozenset()
    """Pools that do not answer for a while, or never again."""

    def instead(self, name: str) -> str | None:
        """The pool that answers for one that is away. It is there itself, and both sides name it:
        gateways of both run meanwhile."""
        named = {self._named(name, side) for side in (self.before, self.after)}
        stand_in = named.pop()
        return None if named or stand_in in self.away else stand_in

    def leaves_someone(self, names: tuple[str, ...]) -> bool:
        """Whether nobody answers who asks for one of these, while they are away: a stand-in keeps
        the mode that was asked for, so one with fewer modes leaves someone."""
        offered = _modes(self.before) | _modes(self.after)
        stand_ins = ((name, self.instead(name)) for name in names)
        return any(
            other is None or not offered[name] <= offered[other] for name, other in stand_ins
        )

    def meanwhile(self, name: str) -> str:
        """What is told who asks for a pool that is away."""
        spec = models(self.after).get(name)
        waits = f"waits up to {spec.hold_for:g} s and then " if spec and spec.hold_for else ""
        stand_in = self.instead(name)
        if stand_in is None:
            return f"{waits}is told 503 with Retry-After"
        return f"{waits}is answered by {stand_in}"

    @property
    def drain_s(self) -> int:
        """How long answers under way may take where a Ray cluster goes."""
        return round(self.longest_s) + DRAIN_S

    @property
    def longest_s(self) -> float:
        return self.before.file.longest_answer if self.before.file else 0.0

    @staticmethod
    def _named(name: str, side: Rendered) -> str | None:
        spec = models(side).get(name)
        return spec.instead if spec else None


def models(side: Rendered) -> Mapping[str, ModelSpec]:
    return {str(name): spec for name, spec in side.file.models.items()} if side.file else {}


def _modes(side: Rendered) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(CATALOG[spec.like or ModelName(name)].modes.offered)
        for name, spec in models(side).items()
    }


def gpus(side: Rendered) -> Mapping[str, GpuSpec]:
    return dict(side.file.gpus) if side.file else {}


def pools(side: Rendered) -> dict[str, Pool]:
    return {pool.name: pool for pool in pools_of(side.file)} if side.file else {}
