"""How the pools on GPUs are cut: the file's own layout, held against the planner, or the planner's.

Pure. A pool that has its GPUs for itself gets the layout that comes first for its number of
replicas; pools that share them get the one that takes the fewest GPUs. On a CPU, and on GPUs that
the planner does not know, the file alone decides.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final, Protocol

from serving.catalog import CATALOG
from serving.config import MEMORY_ARGUMENT, LayoutSpec, ModelSpec
from serving.layout import Demand, Layout, Nodes, Plan, Precision, Sizes, plan, why_not
from serving.layout.gpus import KINDS
from serving.layout.placement import block_of
from serving.layout.ranking import ranked
from serving.values import ModelName

PROVEN: Final = (
    "max_num_seqs",
    "max_num_batched_tokens",
    MEMORY_ARGUMENT,
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


def sizes_of(layout: LayoutSpec) -> Sizes:
    return Sizes(layout.tensor, layout.pipeline, layout.data, layout.expert)


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
        yield from _without_room(group, gpus[group], filled)


def _is_planned(name: ModelName, spec: ModelSpec, gpus: Groups) -> bool:
    known = (spec.like or name) in CATALOG and spec.on in gpus
    return known and not spec.targets and gpus[spec.on].kind in KINDS


def _demand(name: ModelName, spec: ModelSpec, group: Group) -> Demand:
    nodes = Nodes(KINDS[group.kind], group.per_node, group.nodes)
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
    planned = _planned(demand)
    if not planned.feasible:
        hint = f". What can run: {planned.nearest}" if planned.nearest else ""
        yield f"models.{name}: {planned.why}{hint}"
    elif is_given(spec):
        if why := why_not(demand, _sizes(spec.layout, demand)):
            yield f"models.{name}.layout: {why}. `bifocal plan` lists what can run"
    elif not _with_room(planned, spec):
        most = max(layout.replicas for layout in planned.layouts)
        yield f"models.{name}.replicas: found {least(spec)}; {spec.on} holds at most {most}"


def _too_large(name: ModelName, spec: ModelSpec, has: Group) -> Iterator[str]:
    """Where no planner knows better."""
    layout, there = spec.layout, has.per_node * has.nodes
    if layout.ranks > there:
        yield (
            f"models.{name}.layout: tensor {layout.tensor} x pipeline {layout.pipeline} x data "
            f"{layout.data} = {layout.ranks} ranks for one replica; allowed: at most {there}, as "
            f"gpus.{spec.on} has {has.nodes} x {has.per_node}"
        )


def _without_room(group: str, has: Group, filled: Models) -> Iterator[str]:
    """Of the least number of replicas: more GPUs than there are, or than stand together. Blocks
    that must be on one node are placed from the largest on, each where the fewest GPUs are left,
    which finds room wherever sizes divide each other."""
    parts = ", ".join(f"{n} {least(spec)} x {spec.layout.ranks}" for n, spec in filled.items())
    needs = sum(least(spec) * spec.layout.ranks for spec in filled.values())
    total = has.per_node * has.nodes
    if needs > total:
        yield f"gpus.{group}: its models need {needs} GPUs ({parts}); it has {total}"
        return
    free = [has.per_node] * has.nodes
    for block, name in _blocks(has, filled):
        roomy = [node for node, left in enumerate(free) if left >= block]
        if not roomy:
            yield (
                f"gpus.{group}: its models ({parts}) do not fit on {has.nodes} nodes of "
                f"{has.per_node} GPUs: {name} needs {block} together on one, and beside the others "
                f"no node has more than {max(free)} left"
            )
            return
        free[min(roomy, key=free.__getitem__)] -= block


def _blocks(has: Group, filled: Models) -> list[tuple[int, ModelName]]:
    """The GPUs that must be on one node, the largest number first, each with whose they are."""
    nodes = Nodes(KINDS[has.kind], has.per_node, has.nodes)
    found = [
        (block, name)
        for name, spec in filled.items()
        if (block := block_of(nodes, sizes_of(spec.layout)))
        for _ in range(least(spec) * spec.layout.ranks // block)
    ]
    return sorted(found, key=lambda one: -one[0])


def _filled(name: ModelName, models: Models, gpus: Groups) -> ModelSpec:
    spec = models[name]
    if not _is_planned(name, spec, gpus):
        return spec
    demand = _demand(name, spec, gpus[spec.on])
    chosen = _chosen(_planned(demand), spec, demand, shared=is_shared(spec, models))
    if chosen is None:
        return spec
    sizes = chosen.sizes
    layout = LayoutSpec(
        tensor=sizes.tensor, pipeline=sizes.pipeline, data=sizes.data, expert=sizes.expert
    )
    proven = {key: chosen.engine_args[key] for key in PROVEN if key in chosen.engine_args}
    return spec.model_copy(update={"layout": layout, "engine": proven | spec.engine})


def _chosen(planned: Plan, spec: ModelSpec, demand: Demand, *, shared: bool) -> Layout | None:
    if is_given(spec):
        wished = _sizes(spec.layout, demand)
        return next((one for one in planned.layouts if one.sizes == wished), None)
    room = ranked(demand, _with_room(planned, spec), least(spec))
    return min(room, key=lambda layout: layout.sizes.gpus if shared else 0, default=None)


def _with_room(planned: Plan, spec: ModelSpec) -> list[Layout]:
    return [layout for layout in planned.layouts if layout.replicas >= least(spec)]


def _sizes(layout: LayoutSpec, demand: Demand) -> Sizes:
    """Experts that cannot be cut are spread, as the pool does it where the file does not say."""
    sizes = sizes_of(layout)
    spread = replace(sizes, expert=True)
    return spread if demand.model.is_moe and why_not(demand, sizes) else sizes


def is_given(spec: ModelSpec) -> bool:
    return "layout" in spec.model_fields_set


def is_shared(spec: ModelSpec, models: Models) -> bool:
    return sum(one.on == spec.on and not one.targets for one in models.values()) > 1


def least(spec: ModelSpec) -> int:
    """Replicas that must find room; of a pool that may sleep, the one that is woken."""
    return max(1, spec.bounds.min)
