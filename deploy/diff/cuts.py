"""How the replicas of a pool are cut over GPUs, and how to keep that. Pure.

What is not written follows from the GPUs and from `replicas`, so another number of either may cut
every replica otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.diff.rendered import Group
from serving.layout import Sizes
from serving.layout.words import sizes_words

Application = Mapping[str, Any]


def changed(old: Group, new: Group) -> Iterator[tuple[str, str]]:
    """By pool: from what to what, with what keeps it."""
    for name in old.applications.keys() & new.applications.keys():
        if found := one_changed(name, old.applications[name], new.applications[name]):
            yield name, found


def one_changed(name: str, old: Application, new: Application) -> str | None:
    was, will_be = _sizes(old), _sizes(new)
    if was == will_be:
        return None
    return (
        f"layout: {_words(was)} -> {_words(will_be)} (models.{name}.layout: {_written(was)} keeps "
        "the first)"
    )


def _sizes(application: Application) -> Sizes:
    engine = application["args"]["engine"]
    return Sizes(
        engine.get("tensor_parallel_size", 1),
        engine.get("pipeline_parallel_size", 1),
        engine.get("data_parallel_size", 1),
        engine.get("enable_expert_parallel", False),
    )


def _words(sizes: Sizes) -> str:
    return sizes_words(sizes) if sizes.gpus > 1 else "TP 1"


def _written(sizes: Sizes) -> str:
    sides = {"tensor": sizes.tensor, "pipeline": sizes.pipeline, "data": sizes.data}
    parts = [f"{name}: {size}" for name, size in sides.items() if size > 1] or ["tensor: 1"]
    return f"{{{', '.join([*parts, *(['expert: true'] if sizes.expert else [])])}}}"
