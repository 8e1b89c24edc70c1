"""The cluster file: read once, checked whole, and refused with the key, the value and the remedy.

The only reader of files and of the environment. It joins the slices of the other packages with
what only a deployment knows (`gpus`).
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from serving.catalog import CATALOG
from serving.config import Section, ServingSpec

POCKET = Path(__file__).parent / "pocket" / "bifocal.yaml"
"""The cluster file that is used where none is given."""

MAX_FILE_BYTES = 1024 * 1024
MAX_PROBLEMS_SHOWN = 20


class ConfigError(Exception):
    """The file cannot be used; the message lists every problem with its place."""


class GpuSpec(Section):
    """A group of like nodes."""

    kind: Annotated[str, Field(pattern=r"^(cpu|[a-z0-9]+-\d+g)$")]
    """`cpu`, or a GPU's model and memory: `h100-80g`."""
    per_node: Annotated[int, Field(ge=1)] = 1
    nodes: Annotated[int, Field(ge=1)] = 1
    node_selector: dict[str, str] = {}

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"


class Cluster(ServingSpec):
    """The whole file."""

    gpus: Annotated[dict[str, GpuSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _models_stand_on_gpus(self) -> "Cluster":
        for name, model in self.models.items():
            if model.on not in self.gpus:
                msg = f"models.{name}.on is {model.on}; allowed: {', '.join(sorted(self.gpus))}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _models_are_known(self) -> "Cluster":
        for name, model in self.models.items():
            kind = model.like or name
            if kind not in CATALOG:
                key = f"models.{name}.like" if model.like else f"models.{name}"
                msg = (
                    f"{key}: {kind} is not in the catalog; allowed: {', '.join(CATALOG)}. "
                    "Another name needs `like`, the catalog entry that it is a kind of"
                )
                raise ValueError(msg)
        return self
