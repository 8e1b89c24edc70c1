"""How one model of a values file is cut, as the chart takes it: the layout, and what follows from
it alone.

What the user wrote (`engine`, `env`, replicas, a source) is left out: the templates lay it over.
"""

from collections.abc import Mapping
from typing import Any, Final

from deploy import pocket
from deploy.fitting import Group, Models, most
from deploy.layouts import is_given, is_shared, with_layouts
from serving.catalog import CATALOG, ModelFacts
from serving.config import MEMORY_ARGUMENT, ModelSpec
from serving.pools.engine import Hardware, Pool, arguments, environment, source_of
from serving.pools.patience import stuck_after_s
from serving.values import ModelName

CACHE: Final = "/cache"
"""In the pods of a pool: compiled kernels, kept beside the weights where those have a volume."""
POCKET: Final = "/opt/bifocal/models"
"""In the images: the pocket models."""
OF_LAYOUT: Final = frozenset(
    {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "enable_expert_parallel",
    }
)
"""Engine arguments that the templates write from the layout."""
OF_PLAN: Final = {"max_num_batched_tokens": "tokens", MEMORY_ARGUMENT: "memory"}
"""Engine arguments that change what is planned, and their names in what a cut is `of`."""
OF_POOL: Final = frozenset({"VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"})
"""Variables that the templates write, from `stuckAfter`."""


def pool_of(name: ModelName, spec: ModelSpec, group: Group) -> Pool:
    """In its image, on a network that nothing is said of."""
    facts = CATALOG[spec.like or name]
    hardware = Hardware.of(group.kind, per_node=group.per_node, nodes=group.nodes)
    return Pool(name, spec, facts, hardware, source_in_image(spec, facts))


def source_in_image(spec: ModelSpec, facts: ModelFacts) -> str:
    """A folder or a Hugging Face id."""
    if spec.source is None and facts.name in pocket.NAMES:
        return f"{POCKET}/{facts.name}"
    return source_of(spec, facts)


def base(name: ModelName, precision: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The engine's arguments and variables that no layout and no values change, on a GPU."""
    spec = ModelSpec.model_validate({"on": "", "precision": precision})
    pool = Pool(
        name, spec, CATALOG[name], Hardware(cpu=False), source_in_image(spec, CATALOG[name])
    )
    engine = {key: value for key, value in arguments(pool).items() if key not in OF_LAYOUT}
    env = {key: value for key, value in environment(pool, CACHE).items() if key not in OF_POOL}
    return engine, env


def cut(name: ModelName, models: Models, gpus: Mapping[str, Group]) -> dict[str, Any]:
    """A `Cut` of the values without `of`, JSON-ready; of a model that can run."""
    given = models[name]
    bare = {key: _bare(spec) for key, spec in models.items()}
    spec = with_layouts(bare, gpus)[name]
    pool = pool_of(name, spec, gpus[spec.on])
    patient = spec.model_copy(update={"engine": spec.engine | given.engine})
    engine, env = base(spec.like or name, spec.precision)
    return {
        "layout": pool.layout.model_dump(mode="json"),
        "stuckAfter": stuck_after_s(patient, pool.facts, cpu=pool.hardware.cpu),
        "engine": _more(arguments(pool), engine, OF_LAYOUT),
        "env": _more(environment(pool, CACHE), env, OF_POOL),
    }


def planned_for(name: ModelName, models: Models, gpus: Mapping[str, Group]) -> str:
    """What a cut rests on; the templates write the same of the values and hold it against it."""
    spec = models[name]
    group = gpus[spec.on]
    given = spec.layout.model_dump(mode="json") if is_given(spec) else {}
    parts = [
        f"{spec.like or name} {spec.precision} {group.kind} {group.per_node}x{group.nodes}",
        f"context {spec.context or 0}",
        f"replicas {most(spec)}",
        "shared" if is_shared(spec, models) else "alone",
        *(f"{key} {str(value).lower()}" for key, value in sorted(given.items())),
        *(f"{word} {spec.engine[key]}" for key, word in OF_PLAN.items() if key in spec.engine),
    ]
    return ", ".join(parts)


def _bare(spec: ModelSpec) -> ModelSpec:
    """Without what the templates lay over it, but with the share of memory that is planned with."""
    engine = {key: value for key, value in spec.engine.items() if key == MEMORY_ARGUMENT}
    return spec.model_copy(update={"engine": engine, "env": {}})


def _more(
    found: Mapping[str, Any], there: Mapping[str, Any], but: frozenset[str]
) -> dict[str, Any]:
    """What is not there already, or otherwise."""
    return {
        key: value
        for key, value in found.items()
        if key not in but and (key not in there or there[key] != value)
    }
