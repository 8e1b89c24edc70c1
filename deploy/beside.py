"""The secrets that a cluster file names: keys and tokens in files beside it, read before anything
is started. What makes one good is decided in `deploy.keys`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.config import Cluster, ConfigError
from deploy.keys import read_keys, target_tokens


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that cannot be used, in words that repeat no secret."""

    what: str
    is_missing: bool = False
    """Whether it is only not there (yet)."""


def unusable(cluster: Cluster) -> Iterator[Unusable]:
    if cluster.gateway.keys:
        path = Path(cluster.gateway.keys)
        makes = f"`bifocal key new --team TEAM --file {path}` makes it"
        yield from _tried("gateway.keys", path, makes, partial(read_keys, path))
    for name, spec in cluster.models.items():
        if spec.targets_token:
            key, holds = f"models.{name}.targetsToken", "it holds the token that `targets` ask for"
            read = partial(target_tokens, {name: spec})
            yield from _tried(key, Path(spec.targets_token), holds, read)


def _tried(key: str, path: Path, remedy: str, read: Callable[[], object]) -> Iterator[Unusable]:
    if not path.exists():
        yield Unusable(f"{key}: {path} is not there yet; {remedy}", is_missing=True)
        return
    try:
        read()
    except ConfigError as error:
        yield from (Unusable(f"{key}: {line}") for line in str(error).splitlines())
