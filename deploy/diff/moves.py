"""Pools that an upgrade takes out of a group of GPUs, or puts into another. Pure.

Ray's Serve ends those that its text no longer has at once, whether or not another group has loaded
them yet, so whoever moves one is without it for a while.
"""

from collections.abc import Iterator

from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import Cluster, becomes
from deploy.diff.rendered import Group, Rendered
from deploy.diff.upgrade import Upgrade, gpus, models, pools
from deploy.replacing import start_s


def leaving(old: Group, new: Group | None, upgrade: Upgrade) -> Iterator[Change]:
    """For good; those that another group has are told where they arrive."""
    finish = f"its answers under way finish, within {upgrade.longest_s:g} s"
    for name in old.applications:
        if new and name in new.applications:
            continue
        spec = models(upgrade.after).get(name)
        if spec is None:
            says = f"no longer offered, who asks for it is told 404; {finish}"
            yield Change(f"pool {name}", Kind.REMOVED, says, away=(name,), left=True)
        elif spec.targets:
            says = f"out of group {old.name}, and answered by its targets from now on; {finish}"
            yield Change(f"pool {name}", Kind.MOVED, says)


def arriving(old: Group | None, new: Group, upgrade: Upgrade) -> Iterator[Change]:
    """Those that answered elsewhere before."""
    for name in new.applications:
        if (old and name in old.applications) or name not in models(upgrade.before):
            continue
        seconds = start_s(pools(upgrade.after)[name])
        whence = _group_of(name, upgrade.before)
        first = _drained_first(whence, old, new, upgrade)
        drains = upgrade.drain_s if first else 0
        after = (
            f", once those under way in {first} have finished, within {drains} s" if first else ""
        )
        says = (
            f"from {f'group {whence}' if whence else 'its targets'} to group {new.name}: it leaves "
            f"the one at once and answers from the other in about {seconds} s{after}. Who asks "
            f"meanwhile {upgrade.meanwhile(name)}"
        )
        yield Change(
            f"pool {name}", Kind.MOVED, says, ("on",),
            away_s=seconds, drains_s=drains, away=(name,), left=upgrade.leaves_someone((name,)),
        )  # fmt: skip


def _drained_first(
    whence: str | None, old: Group | None, new: Group, upgrade: Upgrade
) -> str | None:
    """The group that must be empty before the pool can start."""
    if old and becomes(old.cluster, new.cluster) is Cluster.ANOTHER and not new.blue_green:
        return new.name
    return whence if whence and takes_nodes_of(whence, new, upgrade) else None


def takes_nodes_of(name: str, new: Group, upgrade: Upgrade) -> bool:
    """Whether a group that goes has the nodes on which one that comes is to be."""
    if name in upgrade.after.groups or new.name in upgrade.before.groups:
        return False
    was, will_be = gpus(upgrade.before).get(name), gpus(upgrade.after).get(new.name)
    if was is None or will_be is None:
        return False
    return (was.kind, was.node_selector) == (will_be.kind, will_be.node_selector)


def _group_of(name: str, side: Rendered) -> str | None:
    return next((each for each, group in side.groups.items() if name in group.applications), None)
