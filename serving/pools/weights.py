"""Weights that a pool wants and a node may lack: what is asked for, and of whom.

Pure. Who knows hubs and buckets is handed in as a `Fetcher`; when and where it is asked is
`fetching`'s to say.
"""

from dataclasses import dataclass
from typing import Protocol


class NoWeights(Exception):
    """They cannot be had as the file has it. The message is for a person: what was found, and what
    to do."""


class NotNow(NoWeights):
    """They may be had later without another file: a hub that is out of reach, a full disk."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where from, and where each node keeps them."""

    source: str
    """Revision and all: `hf://Qwen/Qwen3-8B@main`."""
    env: dict[str, str]
    """Variables for the fetcher; they win over the node's own."""


class Note(Protocol):
    """Takes a line about how far it is; `held`: and that it does not go on for now."""

    def __call__(self, text: str, *, held: bool = False) -> None: ...


class Fetcher(Protocol):
    """Is sent to other nodes, so it is pickled."""

    async def pinned(self, wanted: Wanted) -> Wanted:
        """With the commit that a branch stands for now, if its hub says so at once."""

    async def fetched(self, wanted: Wanted, note: Note) -> str:
        """The folder on this node, whole. Raises NoWeights."""
