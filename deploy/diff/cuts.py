"""How the replicas of a pool are cut over GPUs, and how to keep that. Pure.

What is not written follows from the GPUs and from `replicas`, so another number of either may cut
every replica otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.diff.rendered import Group
from deploy.diff.upgrade import Upgrade, gpus, pools
from deploy.fitting import least, most
from serving.layout import Sizes
from serving.layout.words import sizes_words
from serving.pools.engine import Pool

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


def never_ends(was: Pool, will_be: Pool, upgrade: Upgrade) -> str | None:
    """Why replicas that are cut otherwise may never all come: Serve starts those that lack before
    it ends one, and counts ranks where it ends and starts whole replicas of data-parallel engines
    (`_check_and_stop_outdated_version_replicas` of Ray 2.60)."""
    group = gpus(upgrade.after).get(will_be.spec.on)
    if group is None or group.kind == "cpu":
        return None
    if was.layout.data != will_be.layout.data:
        why = f"Serve counts ranks, of which a replica had {was.layout.data} and has now "
        return _refusal(f"{why}{will_be.layout.data}")
    there = group.per_node * group.nodes
    on_group = (pool for pool in pools(upgrade.before).values() if pool.spec.on == was.spec.on)
    standing = sum(most(pool.spec) * pool.layout.ranks for pool in on_group)
    lack = (least(will_be.spec) - least(was.spec)) * will_be.layout.ranks
    if lack <= max(0, there - standing):
        return None
    return _refusal(
        f"Serve starts those that lack first, which takes {lack} GPUs, and of {there} "
        f"(gpus.{will_be.spec.on}) those of before have {standing}"
    )


def _refusal(why: str) -> str:
    return (
        f"its replicas are cut otherwise, and the change may never end: {why}. Keep the first "
        "layout, or take the pool out in one upgrade and put it back in the next"
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
