"""How the pools on GPUs are cut: the file's own layout, held against the planner, or the planner's.

Pure. A pool that has its GPUs for itself gets the layout that comes first for its number of
replicas, of one that is scaled the most; pools that share them get the one that takes the fewest
GPUs. On GPUs of which nothing is known but the memory in their name, the file says how a pool is
cut, else each replica has one GPU, and what does not fit into that memory is refused. On a CPU the
file alone decides.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from deploy.fitting import Group, Models, most, sizes_of, without_room
from serving.catalog import CATALOG
from serving.config import MEMORY_ARGUMENT, LayoutSpec, ModelSpec
from serving.layout import Demand, Layout, Nodes, Plan, Precision, Sizes, plan, why_not
from serving.layout.arguments import engine_arguments
from serving.layout.gpus import KINDS, GpuKind
from serving.layout.planner import try_all, try_one
from serving.layout.ranking import ranked
from serving.layout.words import sizes_words
from serving.values import ModelName

PROVEN: Final = (
    "max_num_seqs",
    "max_num_batched_tokens",
    MEMORY_ARGUMENT,
    "hf_overrides",
)
"""Engine arguments that the memory proof rests on, or that the asked context needs."""


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
        elif spec.on in gpus:
            yield from _too_large(name, spec, gpus[spec.on])
    for group, names in asked.items():
        filled = {name: _filled(name, models, gpus) for name in names}
        yield from without_room(group, _gpu(gpus[group].kind), gpus[group], filled)


def is_ranked(kind: str) -> bool:
    """Whether the planner knows more of such GPUs than their memory."""
    return kind in KINDS


def _is_planned(name: ModelName, spec: ModelSpec, gpus: Groups) -> bool:
    known = (spec.like or name) in CATALOG and spec.on in gpus
    return known and not spec.targets and gpus[spec.on].kind != "cpu"


def _gpu(kind: str) -> GpuKind:
    """One that is not known has the memory of its name, and no speed that anything is ranked by. A
    G is 10^9 bytes there: most GPUs have more than they are named by."""
    if kind in KINDS:
        return KINDS[kind]
    memory = int(kind.rpartition("-")[2].removesuffix("g")) * 10**9
    return GpuKind(kind, memory, 0, 0, 0, 0, nvlink=True, capability=(9, 0), source="its name")


def _demand(name: ModelName, spec: ModelSpec, group: Group) -> Demand:
    nodes = Nodes(_gpu(group.kind), group.per_node, group.nodes)
    share = spec.engine.get(MEMORY_ARGUMENT)
    return Demand(
        CATALOG[spec.like or name],
        Precision(spec.precision),
        nodes,
        spec.context,
        utilisation=None if share is None else float(share),
    )


@lru_cache(maxsize=32)
def _planned(demand: Demand) -> Plan:
    """Checking a file and filling it in ask the same."""
    return plan(demand)


def _problems_of(name: ModelName, models: Models, gpus: Groups) -> Iterator[str]:
    spec = models[name]
    demand = _demand(name, spec, gpus[spec.on])
    if not is_ranked(gpus[spec.on].kind):
        yield from _problems_of_memory(name, spec, demand)
        return
    planned = _planned(demand)
    if not planned.feasible:
        hint = f". What can run: {planned.nearest}" if planned.nearest else ""
        yield f"models.{name}: {planned.why}{hint}"
    elif is_given(spec):
        if why := why_not(demand, _sizes(spec.layout, demand)):
            yield f"models.{name}.layout: {why}. `bifocal plan` lists what can run"
    elif not _with_room(planned, spec):
        smallest = max(planned.layouts, key=lambda layout: layout.replicas)
        yield (
            f"models.{name}.replicas: found {most(spec)}; {spec.on} holds at most "
            f"{smallest.replicas}, each on {smallest.sizes.gpus} of its {demand.nodes.gpus} GPUs"
        )


def _problems_of_memory(name: ModelName, spec: ModelSpec, demand: Demand) -> Iterator[str]:
    why = why_not(demand, _sizes(spec.layout, demand))
    if not why:
        return
    fitting = (one.sizes for one in try_all(demand) if one.fits)
    fewest = min(fitting, key=lambda sizes: (sizes.gpus, sizes.data, sizes.pipeline), default=None)
    hint = f". What fits: {sizes_words(fewest)}" if fewest else ""
    said = "as written" if is_given(spec) else "one GPU, as none is written"
    yield (
        f"models.{name}.layout: {said}: {why}. Of {demand.nodes.kind.name} the planner knows the "
        f"memory alone, so the layout is yours to write{hint}"
    )


def _too_large(name: ModelName, spec: ModelSpec, has: Group) -> Iterator[str]:
    """Where no planner knows better."""
    layout, there = spec.layout, has.per_node * has.nodes
    if layout.ranks > there:
        yield (
            f"models.{name}.layout: tensor {layout.tensor} x pipeline {layout.pipeline} x data "
            f"{layout.data} = {layout.ranks} ranks for one replica; allowed: at most {there}, as "
            f"gpus.{spec.on} has {has.nodes} x {has.per_node}"
        )


def _filled(name: ModelName, models: Models, gpus: Groups) -> ModelSpec:
    spec = models[name]
    if not _is_planned(name, spec, gpus):
        return spec
    demand = _demand(name, spec, gpus[spec.on])
    if not is_ranked(gpus[spec.on].kind):
        sizes = _sizes(spec.layout, demand)
        batch = try_one(demand, sizes).batch
        return _cut(spec, sizes, engine_arguments(demand, sizes, batch, {}))
    chosen = _chosen(_planned(demand), spec, demand, shared=is_shared(spec, models))
    return spec if chosen is None else _cut(spec, chosen.sizes, chosen.engine_args)


def _cut(spec: ModelSpec, sizes: Sizes, arguments: Mapping[str, Any]) -> ModelSpec:
    layout = LayoutSpec(
        tensor=sizes.tensor, pipeline=sizes.pipeline, data=sizes.data, expert=sizes.expert
    )
    proven = {key: arguments[key] for key in PROVEN if key in arguments}
    return spec.model_copy(update={"layout": layout, "engine": proven | spec.engine})


def _chosen(planned: Plan, spec: ModelSpec, demand: Demand, *, shared: bool) -> Layout | None:
    if is_given(spec):
        wished = _sizes(spec.layout, demand)
        return next((one for one in planned.layouts if one.sizes == wished), None)
    room = ranked(demand, _with_room(planned, spec), most(spec))
    return min(room, key=lambda layout: layout.sizes.gpus if shared else 0, default=None)


def _with_room(planned: Plan, spec: ModelSpec) -> list[Layout]:
    return [layout for layout in planned.layouts if layout.replicas >= most(spec)]


def _sizes(layout: LayoutSpec, demand: Demand) -> Sizes:
    """Experts that cannot be cut are spread, as the pool does it where the file does not say."""
    sizes = sizes_of(layout)
    spread = replace(sizes, expert=True)
    return spread if demand.model.is_moe and why_not(demand, sizes) else sizes


def is_given(spec: ModelSpec) -> bool:
    return "layout" in spec.model_fields_set


def is_shared(spec: ModelSpec, models: Models) -> bool:
    return sum(one.on == spec.on and not one.targets for one in models.values()) > 1
