"""`weights`: from which hub the weights of a model come that names no folder, and where they are
kept."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from serving.config.section import Section

_ADDRESS_OF: Final[Mapping[str, str]] = {"hf": "HF_ENDPOINT", "ms": "MODELSCOPE_DOMAIN"}
"""The variables by which the hubs' own libraries are told."""


class WeightsSpec(Section):
    """Where weights come from and where each node keeps them. Secrets are no part of the file: the
    nodes' environment has them (`HF_TOKEN`, `AWS_ACCESS_KEY_ID`, ...)."""

    folder: str | None = None
    """Of every node, shared by its replicas. Default: `$BIFOCAL_WEIGHTS` of the node, or
    `~/.cache/bifocal/weights`."""
    hub: Literal["hf", "ms"] = "hf"
    """Whose a source such as `org/name` is: Hugging Face's or ModelScope's."""
    address: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = None
    """Of that hub, or of a mirror that speaks like it. Default: what the nodes' environment says,
    or the hub's own."""
    offline: bool = False
    """Whether no hub is asked, so that only what is on a node's disk is served."""

    @property
    def environment(self) -> dict[str, str]:
        """What the nodes' own environment does not decide."""
        found = {"HF_HUB_OFFLINE": "1" if self.offline else "0"}
        if self.folder:
            found["BIFOCAL_WEIGHTS"] = self.folder
        if self.address:
            found[_ADDRESS_OF[self.hub]] = self.address
        return found
