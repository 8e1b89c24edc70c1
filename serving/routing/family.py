"""The models that are served, by every name that they answer to, and which are fast and deep.

Decides what a model's name means. Whether its pool is ready is the gateway's to know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from serving.catalog import ModelFacts
from serving.errors import UnknownModel
from serving.values import AUTO, Mode, ModelName


class Depth(StrEnum):
    """What a virtual model stands for."""

    FAST = "fast"
    DEEP = "deep"

    @property
    def mode(self) -> Mode:
        """Its own, where the client wishes none."""
        return Mode.PLAIN if self is Depth.FAST else Mode.THINKING


VIRTUAL = (AUTO, *Depth)
"""Names that stand for a decision; no served model may bear one."""


@dataclass(frozen=True, slots=True)
class Family:
    """Built by `Family.of`."""

    served: Mapping[ModelName, ModelFacts]
    fast: ModelName
    deep: ModelName
    _names: Mapping[str, ModelName]
    """Every name in lower case."""

    @classmethod
    def of(
        cls,
        served: Mapping[ModelName, ModelFacts],
        fast: ModelName | None = None,
        deep: ModelName | None = None,
    ) -> Self:
        """Defaults: the fewest active parameters, and the most parameters, among those that can
        do the mode. Of two models with the same Hugging Face id the first answers to it."""
        names: dict[str, ModelName] = {}
        for name, facts in served.items():
            names.setdefault(facts.hf_id.lower(), name)
        names |= {name.lower(): name for name in served}
        return cls(
            served,
            fast or _first(served, Mode.PLAIN, lambda facts: facts.active_parameters),
            deep or _first(served, Mode.THINKING, lambda facts: -facts.parameters),
            names,
        )

    def resolve(self, name: str) -> ModelName:
        """The model behind a catalog name or a Hugging Face id, in any case of letters."""
        found = self._names.get(name.lower())
        if found is None:
            known = ", ".join([*VIRTUAL, *self.served])
            msg = f"unknown model {name[:128]!r}; there are: {known}"
            raise UnknownModel(msg, param="model")
        return found

    def at(self, depth: Depth) -> ModelName:
        return self.fast if depth is Depth.FAST else self.deep

    def modes(self, name: ModelName) -> tuple[Mode, ...]:
        """The checkpoint's own first."""
        return self.served[name].modes.offered

    def aliases(self, name: ModelName) -> tuple[str, ...]:
        """What else it answers to: its Hugging Face id, unless that is another's."""
        hf_id = self.served[name].hf_id
        return (hf_id,) if self._names[hf_id.lower()] == name != hf_id else ()


def _first(
    served: Mapping[ModelName, ModelFacts], mode: Mode, rank: Callable[[ModelFacts], int]
) -> ModelName:
    """By (cannot do the mode, rank, name): so a family always has a fast and a deep one."""
    return min(
        served,
        key=lambda name: (mode not in served[name].modes.offered, rank(served[name]), name),
    )
