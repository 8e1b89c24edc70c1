"""What becomes of the groups of GPUs: their Ray clusters, and the pools in them. Pure.

Whether there is another cluster is KubeRay's rule (`kuberay`); how it comes to be is the group's
`upgrade.strategy`. One that is built beside the first needs its GPUs twice, and what is not there
is refused here: Kubernetes would let its pods wait for good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.diff import kuberay, pools
from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import Cluster, How
from deploy.diff.rendered import Group, Rendered
from deploy.replacing import start_s

GPU: Final = "nvidia.com/gpu"
DRAIN_S: Final = 30
"""Beyond the longest answer: `_deadlines.tpl` gives a node of Ray's as long to drain."""


def changed(before: Rendered, after: Rendered) -> Iterator[Change]:
    for name in dict.fromkeys([*before.groups, *after.groups]):
        old, new = before.groups.get(name), after.groups.get(name)
        if old and new:
            yield from _both(old, new, before, after)
        elif new:
            says = f"a Ray cluster with {_gpus(new).words}; its pools are ready in about "
            yield Change(f"group {name}", Kind.MADE, says + f"{_start_s(new, after)} s")
        else:
            says = "its Ray cluster is taken away; answers under way finish, within "
            yield Change(f"group {name}", Kind.REMOVED, says + f"{_drain_s(before)} s")


def _both(old: Group, new: Group, before: Rendered, after: Rendered) -> Iterator[Change]:
    what = f"group {new.name}"
    becomes = kuberay.becomes(old.cluster, new.cluster)
    because = _said(kuberay.reasons(old.cluster, new.cluster))
    if becomes is Cluster.ANOTHER:
        yield _another(old, new, before, after, because)
        return
    if becomes is Cluster.APPENDED:
        yield Change(what, Kind.IN_PLACE, "workers are added to the running cluster", because)
    yield from _muted(what, old, new, before)
    if rest := tuple(kuberay.differences(dict(old.rest), dict(new.rest))):
        yield Change(what, Kind.IN_PLACE, "nothing of it is restarted", rest)
    if old.blue_green != new.blue_green:
        says = "from now on; nothing is restarted"
        yield Change(what, Kind.IN_PLACE, says, ("upgradeStrategy",))
    yield from pools.changed(old, new, before, after)


def _another(
    old: Group, new: Group, before: Rendered, after: Rendered, because: tuple[str, ...]
) -> Change:
    what, seconds, drains = f"group {new.name}", _start_s(new, after), _drain_s(before)
    of = f"pools {', '.join(new.applications) or 'none'}"
    if not new.blue_green:
        says = (
            f"{of}: answers under way finish, within {drains} s; then they are "
            f"away for about {seconds} s, and who asks meanwhile {_meanwhile(new, after)}"
        )
        return Change(what, Kind.RECREATE, says, because, away_s=seconds, drains_s=drains)
    needs, takes, there = _gpus(new), _gpus(old), _there(new, after)
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


def _said(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Another cluster keeps its head's state on another volume: no reason, but what follows."""
    own = tuple(each for each in reasons if not each.endswith(".claimName"))
    return own or reasons


def _muted(what: str, old: Group, new: Group, before: Rendered) -> Iterator[Change]:
    """What KubeRay's hash does not see."""
    found = kuberay.muted(old.cluster, new.cluster)
    numbers = tuple(path for path, how in found.items() if how is How.NUMBER)
    later = tuple(path for path, how in found.items() if how is How.LATER)
    if numbers:
        says = (
            f"from {_gpus(old).words} to {_gpus(new).words}; no other is touched, and answers "
            f"under way on one that leaves finish, within {_drain_s(before)} s"
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


def _there(group: Group, side: Rendered) -> int | None:
    """GPUs of its nodes; nobody counts the cores of those without."""
    spec = side.file.gpus.get(group.name) if side.file else None
    return None if spec is None or spec.is_cpu else spec.ranks


def _start_s(group: Group, side: Rendered) -> int:
    """Until the last of its pools answers: from the bytes that it has to load."""
    there = pools.pools(side)
    return max((start_s(there[name]) for name in group.applications), default=0)


def _drain_s(side: Rendered) -> int:
    return round(side.file.longest_answer if side.file else 0) + DRAIN_S


def _meanwhile(group: Group, side: Rendered) -> str:
    """By pool, where the file says something of it."""
    models = side.file.models if side.file else {}
    said = []
    for name, spec in models.items():
        if name in group.applications and (spec.hold_for or spec.instead):
            waits = f"waits up to {spec.hold_for:g} s" if spec.hold_for else ""
            other = f"is answered by {spec.instead}" if spec.instead else ""
            said.append(f"{' and then '.join(filter(None, (waits, other)))} ({name})")
    return "; ".join([*said, "is told 503 with Retry-After" + (" otherwise" if said else "")])
