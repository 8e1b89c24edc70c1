"""How the pools on GPUs are cut: the file's own layout, held against the planner, or the planner's.

Pure. A pool that has its GPUs for itself gets the layout that is planned first; pools that share
them get the one that takes the fewest GPUs. On a CPU, and on GPUs that the planner does not know,
the file alone decides.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, Protocol

from serving.catalog import CATALOG
from serving.config import LayoutSpec, ModelSpec
from serving.layout import Demand, Layout, Nodes, Plan, Precision, Sizes, plan, why_not
from serving.layout.gpus import KINDS
from serving.values import ModelName

PROVEN: Final = (
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "hf_overrides",
)
"""Engine arguments that the memory proof rests on, or that the asked context needs."""


class Group(Protocol):
    """Like nodes, as the cluster file has them under `gpus`."""

    @property
    def kind(self) -> str: ...
    @property
    def per_node(self) -> int: ...
    @property
    def nodes(self) -> int: ...


Models = Mapping[ModelName, ModelSpec]
Groups = Mapping[str, Group]


def with_layouts(models: Models, gpus: Groups) -> dict[ModelName, ModelSpec]:
    """The models with every layout filled in, and the engine arguments that it was proven with;
    the file's own arguments win."""
    return {name: _filled(name, models, gpus) for name in models}


def problems_of_layouts(models: Models, gpus: Groups) -> Iterator[str]:
    """What cannot run, with the arithmetic; models that are wrong otherwise are passed over."""
    asked: dict[str, list[ModelName]] = defaultdict(list)
    for name, spec in models.items():
        if _is_planned(name, spec, gpus):
            said = list(_problems_of(name, models, gpus))
            yield from said
            if not said:
                asked[spec.on].append(name)
    for group, names in asked.items():
        yield from _too_many(
            group, gpus[group], {name: _filled(name, models, gpus) for name in names}
        )


def _is_planned(name: ModelName, spec: ModelSpec, gpus: Groups) -> bool:
    known = (spec.like or name) in CATALOG and spec.on in gpus
    return known and not spec.targets and gpus[spec.on].kind in KINDS


def _demand(name: ModelName, spec: ModelSpec, group: Group) -> Demand:
    nodes = Nodes(KINDS[group.kind], group.per_node, group.nodes)
    return Demand(CATALOG[spec.like or name], Precision(spec.precision), nodes, spec.context)


@lru_cache(maxsize=32)
def _planned(demand: Demand) -> Plan:
    """Checking a file and filling it in ask the same."""
    return plan(demand)


def _problems_of(name: ModelName, models: Models, gpus: Groups) -> Iterator[str]:
    spec = models[name]
    demand = _demand(name, spec, gpus[spec.on])
    planned = _planned(demand)
    if not planned.feasible:
        hint = f". What can run: {planned.nearest}" if planned.nearest else ""
        yield f"models.{name}: {planned.why}{hint}"
    elif _is_given(spec):
        if why := why_not(demand, _sizes(spec.layout, demand)):
            yield f"models.{name}.layout: {why}. `bifocal plan` lists what can run"
    elif not _with_room(planned, spec):
        most = max(layout.replicas for layout in planned.layouts)
        yield f"models.{name}.replicas: found {_least(spec)}; {spec.on} holds at most {most}"


def _too_many(group: str, has: Group, filled: Models) -> Iterator[str]:
    """More GPUs than there are, for the least number of replicas."""
    needs = {name: _least(spec) * spec.layout.ranks for name, spec in filled.items()}
    total = has.per_node * has.nodes
    if sum(needs.values()) > total:
        parts = ", ".join(
            f"{name} {_least(spec)} x {spec.layout.ranks}" for name, spec in filled.items()
        )
        yield f"gpus.{group}: its models need {sum(needs.values())} GPUs ({parts}); it has {total}"


def _filled(name: ModelName, models: Models, gpus: Groups) -> ModelSpec:
    spec = models[name]
    if not _is_planned(name, spec, gpus):
        return spec
    demand = _demand(name, spec, gpus[spec.on])
    chosen = _chosen(_planned(demand), spec, demand, shared=_is_shared(spec, models))
    if chosen is None:
        return spec
    sizes = chosen.sizes
    layout = LayoutSpec(
        tensor=sizes.tensor, pipeline=sizes.pipeline, data=sizes.data, expert=sizes.expert
    )
    proven = {key: chosen.engine_args[key] for key in PROVEN if key in chosen.engine_args}
    return spec.model_copy(update={"layout": layout, "engine": proven | spec.engine})


def _chosen(planned: Plan, spec: ModelSpec, demand: Demand, *, shared: bool) -> Layout | None:
    if _is_given(spec):
        wished = _sizes(spec.layout, demand)
        return next((one for one in planned.layouts if one.sizes == wished), None)
    room = _with_room(planned, spec)
    return min(room, key=lambda layout: layout.sizes.gpus if shared else 0, default=None)


def _with_room(planned: Plan, spec: ModelSpec) -> list[Layout]:
    return [layout for layout in planned.layouts if layout.replicas >= _least(spec)]


def _sizes(layout: LayoutSpec, demand: Demand) -> Sizes:
    """Experts that cannot be cut are spread, as the pool does it where the file does not say."""
    sizes = Sizes(layout.tensor, layout.pipeline, layout.data, layout.expert)
    spread = Sizes(layout.tensor, layout.pipeline, layout.data, True)
    return spread if demand.model.is_moe and why_not(demand, sizes) else sizes


def _is_given(spec: ModelSpec) -> bool:
    return "layout" in spec.model_fields_set


def _is_shared(spec: ModelSpec, models: Models) -> bool:
    return sum(one.on == spec.on and not one.targets for one in models.values()) > 1


def _least(spec: ModelSpec) -> int:
    """Replicas that are always there."""
    return spec.replicas if isinstance(spec.replicas, int) else max(1, spec.replicas.min)
