"""What becomes of the pools of a group whose Ray cluster stays. Pure.

Serve replaces the replicas of an application whose arguments or environment are others; what it is
told beside these it changes in place. In which way it replaces them is `deploy.replacing`'s to say;
whether the next one may come first is read from what Serve is told.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import differences
from deploy.diff.rendered import Group, Rendered
from deploy.local.pools import pools_of
from deploy.replacing import Way, replacing, replicas_of, start_s
from serving.pools.engine import Pool

Application = Mapping[str, Any]

KINDS: Final = {
    Way.ONE_AT_A_TIME: Kind.ONE_AT_A_TIME,
    Way.SURGE: Kind.SURGE,
    Way.ANNOUNCED: Kind.ANNOUNCED,
}
NUMBERS: Final = frozenset({"num_replicas", "autoscaling_config"})
SURGE: Final = "max_surge_percent"


def changed(old: Group, new: Group, before: Rendered, after: Rendered) -> Iterator[Change]:
    was, will_be = pools(before), pools(after)
    for name in dict.fromkeys([*old.applications, *new.applications]):
        what = f"pool {name}"
        if name not in old.applications:
            says = f"{replicas_of(will_be[name])}, ready in about {start_s(will_be[name])} s"
            yield Change(what, Kind.MADE, says)
        elif name not in new.applications:
            yield Change(what, Kind.REMOVED, _leaves(before))
        else:
            told = old.applications[name], new.applications[name]
            yield from _one(what, *told, was[name], will_be[name])


def pools(side: Rendered) -> dict[str, Pool]:
    return {pool.name: pool for pool in pools_of(side.file)} if side.file else {}


def _leaves(before: Rendered) -> str:
    longest = before.file.longest_answer if before.file else 0.0
    return (
        "no longer offered, who asks for it is told 404; its answers under way finish, within "
        f"{longest:g} s"
    )


def _one(
    what: str, old: Application, new: Application, was: Pool, will_be: Pool
) -> Iterator[Change]:
    replaced = tuple(differences(_version(old), _version(new)))
    because = tuple(differences(_adjustable(old), _adjustable(new)))
    if replaced:
        made = replacing(
            will_be, has_room=bool(_adjustable(new).get(SURGE) or _placed(new).get(SURGE))
        )
        yield Change(what, KINDS[made.way], made.says, replaced, away_s=made.away_s)
    elif because and {name.split(".")[0] for name in because} <= NUMBERS:
        says = (
            f"from {replicas_of(was)} to {replicas_of(will_be)}; one that leaves finishes its "
            "answers, and no other is touched"
        )
        yield Change(what, Kind.NUMBERS, says, because)
    elif because:
        yield Change(what, Kind.IN_PLACE, "no replica is touched", because)


def _version(application: Application) -> dict[str, Any]:
    """Replicas of another one are other replicas. Whether a pool is scaled belongs to it: Serve
    takes the policy for code."""
    scaled = bool(_adjustable(application).get("autoscaling_config"))
    return {**application, "deployments": None, "scaled": scaled}


def _placed(application: Application) -> Mapping[str, Any]:
    return dict(application["args"].get("deployment") or {})


def _adjustable(application: Application) -> Mapping[str, Any]:
    (deployment,) = application["deployments"]
    return dict(deployment)
