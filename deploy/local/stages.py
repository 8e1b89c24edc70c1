"""In which order pools are replaced where several of them are. Pure.

Who stands in for a pool that is away must not be away with it, and of pools that are replaced the
next replica first, each takes memory of one machine for two. So these come one after the other; all
else comes at once, with the first.
"""

from collections.abc import Iterable, Mapping

from deploy.local.pool_changes import Kind, PoolChange
from serving.values import ModelName


def stages(
    changes: Iterable[PoolChange], instead: Mapping[ModelName, ModelName | None]
) -> tuple[frozenset[ModelName], ...]:
    """The pools that change in each; `instead` names who stands in for whom. At least one stage."""
    found: list[set[ModelName]] = [set()]
    kinds = {change.name: change.kind for change in changes}
    for name, kind in kinds.items():
        for stage in found:
            if not any(_apart(name, kind, other, kinds[other], instead) for other in stage):
                stage.add(name)
                break
        else:
            found.append({name})
    return tuple(map(frozenset, found))


def _apart(
    one: ModelName,
    kind: Kind,
    other: ModelName,
    others_kind: Kind,
    instead: Mapping[ModelName, ModelName | None],
) -> bool:
    if kind is others_kind is Kind.SURGED:
        return True
    stands_in = instead.get(one) == other or instead.get(other) == one
    return kind is others_kind is Kind.REPLACED and stands_in
