"""What becomes of the pools of a group whose Ray cluster stays. Pure.

Serve replaces the replicas of an application whose arguments or environment are others; what it is
told beside these it changes in place. In which way it replaces them is `deploy.replacing`'s to say;
whether the next one may come first is read from what Serve is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from deploy.diff import cuts
from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import differences
from deploy.diff.rendered import Group
from deploy.diff.upgrade import Upgrade, models, pools
from deploy.replacing import Way, replacing, replicas_of, start_s
from serving.gateway.loading import weights_bytes
from serving.pools.engine import Pool

Application = Mapping[str, Any]

KINDS: Final = {
    Way.ONE_AT_A_TIME: Kind.ONE_AT_A_TIME,
    Way.SURGE: Kind.SURGE,
    Way.ANNOUNCED: Kind.ANNOUNCED,
}
NUMBERS: Final = frozenset({"num_replicas", "autoscaling_config"})
SURGE: Final = "max_surge_percent"


def changed(old: Group, new: Group, upgrade: Upgrade) -> Iterator[Change]:
    """Of a group whose Ray cluster stays. What leaves it, or comes from another, is told by
    `moves`."""
    was, will_be = pools(upgrade.before), pools(upgrade.after)
    for name in new.applications:
        if name in old.applications:
            told = old.applications[name], new.applications[name]
            yield from _one(was[name], will_be[name], *told, upgrade)
        elif name not in models(upgrade.before):
            says = f"{replicas_of(will_be[name])}, ready in about {start_s(will_be[name])} s"
            yield Change(f"pool {name}", Kind.MADE, says)


def _one(
    was: Pool, will_be: Pool, old: Application, new: Application, upgrade: Upgrade
) -> Iterator[Change]:
    what = f"pool {will_be.name}"
    because = tuple(differences(_adjustable(old), _adjustable(new)))
    if _version(old) != _version(new):
        yield _replaced(was, will_be, old, new, upgrade)
    elif because and {name.split(".")[0] for name in because} <= NUMBERS:
        says = (
            f"from {replicas_of(was)} to {replicas_of(will_be)}; one that leaves finishes its "
            "answers, and no other is touched"
        )
        yield Change(what, Kind.NUMBERS, says, because)
    elif because:
        yield Change(what, Kind.IN_PLACE, "no replica is touched", because)


def _replaced(
    was: Pool, will_be: Pool, old: Application, new: Application, upgrade: Upgrade
) -> Change:
    name = will_be.name
    because = tuple(differences(_version(old), _version(new)))
    if cut := cuts.one_changed(name, old, new):
        because = (*because, cut)
    if cut and (why := cuts.never_ends(was, will_be, upgrade)):
        return Change(f"pool {name}", Kind.REFUSED, why, because)
    room = bool(_adjustable(new).get(SURGE) or _placed(new).get(SURGE))
    made = replacing(_as_it_is(will_be, upgrade), has_room=room)
    says = made.says
    if was.spec.bounds.min == 1 and made.way is Way.ONE_AT_A_TIME:
        # Serve starts those that lack before it stops one of the old version.
        says = (
            f"from {replicas_of(was)} to {replicas_of(will_be)}, one at a time; where one runs "
            f"alone, the next is up, in about {start_s(will_be)} s, before it leaves; no request "
            "is lost"
        )
    away = (name,) if made.away_s else ()
    if away and old["args"].get("weights") != new["args"].get("weights"):
        size = weights_bytes(will_be.facts, will_be.spec.precision) / 2**30
        says += (
            f". Its weights, {size:.0f} GiB, are pulled in that time, too, unless they are there: "
            'docs/upgrade.md, "Weights first"'
        )
    return Change(
        f"pool {name}", KINDS[made.way], says, because,
        away_s=made.away_s, away=away, left=upgrade.leaves_someone(away),
    )  # fmt: skip


def _as_it_is(pool: Pool, upgrade: Upgrade) -> Pool:
    """Without a stand-in that is none while this is done."""
    spec = pool.spec.model_copy(update={"instead": upgrade.instead(pool.name)})
    return replace(pool, spec=spec)


def _version(application: Application) -> dict[str, Any]:
    """Replicas of another one are other replicas. Whether a pool is scaled belongs to it: Serve
    takes the policy for code."""
    scaled = bool(_adjustable(application).get("autoscaling_config"))
    return {**application, "deployments": None, "autoscaling_config": scaled}


def _placed(application: Application) -> Mapping[str, Any]:
    return dict(application["args"].get("deployment") or {})


def _adjustable(application: Application) -> Mapping[str, Any]:
    (deployment,) = application["deployments"]
    return dict(deployment)
