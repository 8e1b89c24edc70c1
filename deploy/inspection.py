"""What a good cluster file may lack to work: files that it names, and cores.

It looks at this machine's disk, which need not be a node's: what may be elsewhere is a warning.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.beside import unusable
from deploy.config import Cluster
from deploy.local.pools import pools_of
from deploy.local.preflight import source_problems


@dataclass(frozen=True, slots=True)
class Remark:
    text: str
    is_warning: bool


def inspected(cluster: Cluster, folder: Path) -> Iterator[Remark]:
    """`folder` is the cluster file's."""
    yield from (Remark(each.what, each.is_missing) for each in unusable(cluster))
    yield from _weights(cluster, folder.resolve())
    yield from _cores(cluster)


def _weights(cluster: Cluster, folder: Path) -> Iterator[Remark]:
    """A folder that belongs to the file comes with it; another may be on the nodes alone."""
    for pool in pools_of(cluster):
        elsewhere = not Path(pool.source).is_relative_to(folder)
        yield from (Remark(text, elsewhere) for text in source_problems(pool))


def _cores(cluster: Cluster) -> Iterator[Remark]:
    """`bifocal up` counts as many as are needed; a cluster of such nodes has what it has."""
    needs: Counter[str] = Counter()
    for pool in pools_of(cluster):
        if pool.hardware.cpu:
            needs[pool.spec.on] += pool.spec.bounds.min * pool.layout.ranks
    for name, cores in needs.items():
        if cores > (has := cluster.gpus[name].ranks):
            yield Remark(
                f"gpus.{name}: its models need {cores} cores and it has {has}; here they share, on "
                "a cluster some wait for ever. Set perNode to the cores of a node",
                is_warning=True,
            )
