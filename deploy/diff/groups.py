"""What becomes of the groups of GPUs: their Ray clusters, and the pools in them. Pure.

Whether there is another cluster is KubeRay's rule (`kuberay`); how it comes to be is the group's
`upgrade.strategy`. One that is built beside the first needs its GPUs twice, and what is not there
is refused here: Kubernetes would let its pods wait for good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.diff import cuts, kuberay, moves, pools
from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import Cluster, How
from deploy.diff.rendered import Group
from deploy.diff.upgrade import Upgrade, gpus, models
from deploy.diff.upgrade import pools as pools_of
from deploy.replacing import start_s

GPU: Final = "nvidia.com/gpu"


def changed(upgrade: Upgrade) -> Iterator[Change]:
    before, after = upgrade.before.groups, upgrade.after.groups
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old and new:
            yield from _both(old, new, upgrade)
        elif new:
            yield _made(new, upgrade)
        elif old:
            says = f"its Ray cluster is taken away, with {_named(old)}; answers under way finish, "
            says += f"within {upgrade.drain_s} s"
            yield Change(f"group {name}", Kind.REMOVED, says)
        if old:
            yield from moves.leaving(old, new, upgrade)
        if new:
            yield from moves.arriving(old, new, upgrade)


def _made(new: Group, upgrade: Upgrade) -> Change:
    gone = (old for old in upgrade.before.groups if moves.takes_nodes_of(old, new, upgrade))
    after = "".join(f", once {old}, which has such nodes now, has left them" for old in gone)
    says = (
        f"a Ray cluster with {_gpus(new).words}; {_named(new)} ready in about "
        f"{_start_s(new, upgrade)} s{after}"
    )
    return Change(f"group {new.name}", Kind.MADE, says)


def _both(old: Group, new: Group, upgrade: Upgrade) -> Iterator[Change]:
    what = f"group {new.name}"
    becomes = kuberay.becomes(old.cluster, new.cluster)
    because = kuberay.reasons(old.cluster, new.cluster)
    if becomes is Cluster.ANOTHER:
        yield _another(old, new, upgrade, because)
        return
    if becomes is Cluster.APPENDED:
        yield Change(what, Kind.IN_PLACE, "workers are added to the running cluster", because)
    yield from _muted(what, old, new, upgrade)
    if rest := tuple(kuberay.differences(dict(old.rest), dict(new.rest))):
        yield Change(what, Kind.IN_PLACE, "nothing of it is restarted", rest)
    if old.blue_green != new.blue_green:
        says = "from now on; nothing is restarted"
        yield Change(what, Kind.IN_PLACE, says, ("upgradeStrategy",))
    yield from pools.changed(old, new, upgrade)


def _another(old: Group, new: Group, upgrade: Upgrade, because: tuple[str, ...]) -> Change:
    what, seconds, drains = f"group {new.name}", _start_s(new, upgrade), upgrade.drain_s
    of = _named(new)
    because = (*because, *(f"pool {name}: {cut}" for name, cut in cuts.changed(old, new)))
    if not new.blue_green:
        away = tuple(name for name in old.applications if name in new.applications)
        says = (
            f"{of}: answers under way finish, within {drains} s; then they are "
            f"away for about {seconds} s, and who asks meanwhile {_meanwhile(away, upgrade)}"
        )
        return Change(
            what, Kind.RECREATE, says, because,
            away_s=seconds, drains_s=drains, away=away, left=upgrade.leaves_someone(away),
        )  # fmt: skip
    needs, takes, there = _gpus(new), _gpus(old), _there(new, upgrade)
    if there is not None and needs.gpus > there - takes.gpus:
        says = (
            f"{of}: blueGreen has no room: the second cluster needs {needs.words}, and of {there} "
            f"GPUs (gpus.{new.name}) the first has {takes.words}, which leaves "
            f"{there - takes.gpus}. "
            "Give the group more nodes, fewer replicas, or `upgrade: {strategy: recreate}`"
        )
        return Change(what, Kind.REFUSED, says, because)
    free = "" if there is None else f", and {there - takes.gpus} are free"
    says = (
        f"{of}: a second cluster needs {needs.words}{free}; it is ready in about "
        f"{seconds} s, then the first finishes its answers and is taken away; no request is lost"
    )
    return Change(what, Kind.BLUE_GREEN, says, because)


def _muted(what: str, old: Group, new: Group, upgrade: Upgrade) -> Iterator[Change]:
    """What KubeRay's hash does not see."""
    found = kuberay.muted(old.cluster, new.cluster)
    numbers = tuple(path for path, how in found.items() if how is How.NUMBER)
    later = tuple(path for path, how in found.items() if how is How.LATER)
    if numbers:
        says = (
            f"from {_gpus(old).words} to {_gpus(new).words}; no other is touched, and answers "
            f"under way on one that leaves finish, within {upgrade.drain_s} s"
        )
        yield Change(what, Kind.NUMBERS, says, numbers)
    if later:
        says = "KubeRay leaves the running cluster as it is; the next one has it"
        yield Change(what, Kind.LATER, says, later)


@dataclass(frozen=True, slots=True)
class Gpus:
    """Of a group's pods."""

    pods: int
    each: int

    @property
    def gpus(self) -> int:
        return self.pods * self.each

    @property
    def words(self) -> str:
        pods = f"{self.pods} pod{'s' if self.pods != 1 else ''}"
        return f"{self.gpus} GPUs ({pods} x {self.each})" if self.each else pods


def _gpus(group: Group) -> Gpus:
    (workers, *_) = group.cluster["workerGroupSpecs"]
    containers = workers["template"]["spec"]["containers"]
    pods = int(workers.get("replicas", 0)) * int(workers.get("numOfHosts", 1))
    return Gpus(pods, sum(_limit(each) for each in containers))


def _limit(container: Any) -> int:
    return int(((container.get("resources") or {}).get("limits") or {}).get(GPU, 0))


def _named(group: Group) -> str:
    return f"pools {', '.join(group.applications) or 'none'}"


def _there(group: Group, upgrade: Upgrade) -> int | None:
    """GPUs of its nodes; nobody counts the cores of those without."""
    spec = gpus(upgrade.after).get(group.name)
    return None if spec is None or spec.is_cpu else spec.ranks


def _start_s(group: Group, upgrade: Upgrade) -> int:
    """Until the last of its pools answers: from the bytes that it has to load."""
    there = pools_of(upgrade.after)
    return max((start_s(there[name]) for name in group.applications), default=0)


def _meanwhile(away: tuple[str, ...], upgrade: Upgrade) -> str:
    """By pool, where the file says something of it."""
    there = models(upgrade.after)
    said = [
        f"{upgrade.meanwhile(name)} ({name})"
        for name in away
        if there[name].hold_for or upgrade.instead(name)
    ]
    if len(said) < len(away) or not away:
        said.append(f"is told 503 with Retry-After{' otherwise' if said else ''}")
    return "; ".join(said)
