"""What the chart's table lacks for a file of values: the rest of the file, as Helm takes it.

The table has the usual groups of GPUs at the checkpoints' own context. Everything else that the
planner can answer (a context, a layout of the file's own, other groups) is written here.
"""

from typing import Any, Final

import yaml

from deploy.chart.cuts import OF_PLAN, cut, planned_for
from deploy.chart.table import Nodes, combinations, key
from deploy.chart.values import Values
from deploy.layouts import is_given
from serving.config import ModelSpec
from serving.values import ModelName

HEAD: Final = (
    "# Made by `bifocal plan --values`: give it to Helm after the values that it was made of.\n"
)


def lacking(values: Values) -> dict[str, Any]:
    """By pool a `Cut`, JSON-ready. What cannot run is refused where the values are read."""
    models, gpus = values.models, values.gpus
    known = {key(*each) for each in combinations()}
    return {
        name: {"of": planned_for(name, models, gpus), **cut(name, models, gpus)}
        for name, spec in models.items()
        if not spec.targets and not _is_usual(name, spec, values, known)
    }


def _is_usual(name: ModelName, spec: ModelSpec, values: Values, known: set[str]) -> bool:
    group = values.gpus[spec.on]
    nodes = Nodes(group.kind, group.per_node, group.nodes)
    own = spec.context or is_given(spec)
    steps = OF_PLAN.keys() & spec.engine.keys()
    return not own and not steps and key(spec.like or name, spec.precision, nodes) in known


def text(values: Values) -> str:
    """A values file."""
    return HEAD + yaml.safe_dump({"layouts": lacking(values)}, sort_keys=False)
