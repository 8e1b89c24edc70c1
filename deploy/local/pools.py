"""The cluster file's models as pools: the catalog's facts, the hardware, where the weights are."""

from typing import Final

from deploy import pocket
from deploy.config import Cluster
from deploy.groups import GpuSpec
from deploy.layouts import with_layouts
from deploy.source import Scheme, is_folder, parse
from serving.catalog import CATALOG, ModelFacts
from serving.config import ModelSpec, WeightsSpec
from serving.pools.engine import Hardware, Pool, source_of
from serving.pools.weights import Wanted
from serving.values import ModelName

BUILDER: Final = "deploy.replica:build"
"""By which Serve builds a pool whose weights are fetched first."""


def pools_of(cluster: Cluster) -> list[Pool]:
    """Those that are deployed here; one with fixed targets is run by somebody else."""
    models = with_layouts(cluster.models, cluster.gpus)
    return [_pool(name, spec, cluster) for name, spec in models.items() if not spec.targets]


def _pool(name: ModelName, spec: ModelSpec, cluster: Cluster) -> Pool:
    facts = CATALOG[spec.like or name]
    hardware = _hardware(cluster.gpus[spec.on])
    source = _source(spec, facts, cluster.weights)
    wanted = None if is_folder(source) else Wanted(source, cluster.weights.environment)
    traces = None if cluster.tracing is None else cluster.tracing.endpoint
    return Pool(name, spec, facts, hardware, source, wanted, traces)


def _hardware(group: GpuSpec) -> Hardware:
    return Hardware.of(
        group.kind,
        per_node=group.per_node,
        nodes=group.nodes,
        labels=group.labels,
        network=group.network.environment,
    )


def _source(spec: ModelSpec, facts: ModelFacts, weights: WeightsSpec) -> str:
    """Folders in the file are absolute already: `deploy.config` made them so."""
    if spec.source is None and facts.name in pocket.NAMES:
        return str(pocket.folder(facts.name))
    found = parse(source_of(spec, facts), spec.revision, Scheme(weights.hub))
    return found.name if found.scheme is Scheme.FOLDER else str(found)
