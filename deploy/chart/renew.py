"""Brings a running Ray cluster to what its RayService says, where KubeRay leaves it as it is.

python -m deploy.chart.renew --service NAME --cluster ID --pods N --answers S --start S [--recreate]

A Job of the chart runs it, one for each group of GPUs, and another one with each change. Another
number of pods KubeRay does not hand on to a cluster that runs; and of a RayService whose strategy
is None it builds no next cluster while the last one is there. So with `--recreate` a cluster that
is behind is drained, taken away, and KubeRay builds the next: first its workers are asked to leave
while its head still runs, as Ray needs one to end replicas in order, which lets every answer under
way finish; then it is deleted. Which cluster is behind is told by the annotation that KubeRay hands
on from a RayService to the cluster that it builds of it.

It changes RayClusters alone, which belong to KubeRay and to no renderer: neither Helm nor Argo CD
nor Flux sees a difference. What it does can be begun again at any point.

A Job that has ended well is not run again, so this one ends well only once its work is done or is
another's: a RayService that does not become what it was made for is an error, and tried again. One
that comes late, when a release after its own has put another mark there, cannot tell that mark from
an earlier one: it tries as often as a Job does, until Helm takes it away.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.chart.api import ACCOUNT, Api, Asked, Refused

SERVICES: Final = "apis/ray.io/v1/rayservices"
CLUSTERS: Final = "apis/ray.io/v1/rayclusters"
PODS: Final = "api/v1/pods"
MARK: Final = "bifocal/cluster"
GONE: Final = 404
LOOKS_EVERY_S: Final = 2.0
APPLIED_WITHIN_S: Final = 300.0
"""After the Job has come, until the RayService is what the Job was made for."""
SAYS_EVERY_S: Final = 60.0
BEYOND_S: Final = 60.0
"""After the longest answer a worker is gone, or its node is lost."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one group of GPUs."""

    service: str
    cluster: str
    """Its mark."""
    pods: int
    """Replicas of its group of workers."""
    answers_s: int
    """The longest answer."""
    start_s: int
    """Until the last of its pools answers, once there are GPUs."""
    recreate: bool


class NotApplied(Exception):
    """The RayService is not what the Job was made for."""


@dataclass(frozen=True, slots=True)
class Clock:
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def renew(api: Asked, wanted: Wanted, clock: Clock = Clock()) -> Iterator[str]:
    """Does it and says what it does. Raises NotApplied, Refused, OSError."""
    service = _applied(api, wanted, clock)
    if service is None:
        yield f"{wanted.service}: another release has come since: nothing to do"
        return
    running = _running(api, service)
    if running is None:
        yield f"{wanted.service}: no cluster runs: KubeRay builds it"
    elif mark_of(running) == wanted.cluster:
        yield from _number(api, running, wanted)
    elif wanted.recreate:
        yield from _recreate(api, running, wanted, clock)
    else:
        yield f"{wanted.service}: KubeRay builds the next cluster beside {name_of(running)}"


def mark_of(found: Any) -> str:
    return str((found["metadata"].get("annotations") or {}).get(MARK, ""))


def name_of(found: Any) -> str:
    return str(found["metadata"]["name"])


def _applied(api: Asked, wanted: Wanted, clock: Clock) -> Any:
    """The RayService, once it is what was wanted, since Helm makes Jobs before it changes
    RayServices; None once it has become what neither this release wants nor the one before it had.
    Raises NotApplied where it stays as it was."""
    end = clock.now() + APPLIED_WITHIN_S
    before = service = _found(api, SERVICES, wanted.service)
    while service is None or mark_of(service) != wanted.cluster:
        if service is not None and (before is None or mark_of(service) != mark_of(before)):
            return None
        if clock.now() >= end:
            raise NotApplied(_late(wanted, service))
        clock.sleep(LOOKS_EVERY_S)
        service = _found(api, SERVICES, wanted.service)
    return service


def _late(wanted: Wanted, service: Any) -> str:
    there = "it is not there" if service is None else f"its {MARK} is {mark_of(service)!r}"
    return (
        f"{wanted.service}: after {APPLIED_WITHIN_S:.0f} s {there}, and {wanted.cluster!r} is"
        " wanted: the release was not applied to it. This is tried again; if the Job gives up,"
        " delete it and apply the release again"
    )


def _running(api: Asked, service: Any) -> Any:
    """The cluster that has the GPUs."""
    status = service.get("status") or {}
    for which in ("activeServiceStatus", "pendingServiceStatus"):
        name = (status.get(which) or {}).get("rayClusterName")
        cluster = _found(api, CLUSTERS, name) if name else None
        if cluster is not None:
            return cluster
    return None


def _number(api: Asked, cluster: Any, wanted: Wanted) -> Iterator[str]:
    (group, *_) = cluster["spec"]["workerGroupSpecs"]
    before = group.get("replicas")
    if before == wanted.pods:
        yield f"{name_of(cluster)}: as it should be"
        return
    api.ask("PATCH", CLUSTERS, name_of(cluster), list(_sized(cluster, wanted.pods)))
    yield (
        f"{name_of(cluster)}: from {before} to {wanted.pods} of its group of workers; one that "
        f"leaves finishes its answers, within {wanted.answers_s} s"
    )


def _sized(cluster: Any, number: int) -> Iterator[dict[str, Any]]:
    """A patch; `add` puts in place of what is there."""
    for index, _ in enumerate(cluster["spec"]["workerGroupSpecs"]):
        for key in ("minReplicas", "replicas", "maxReplicas"):
            path = f"/spec/workerGroupSpecs/{index}/{key}"
            yield {"op": "add", "path": path, "value": number}


def _recreate(api: Asked, cluster: Any, wanted: Wanted, clock: Clock) -> Iterator[str]:
    name, began = name_of(cluster), clock.now()
    if "deletionTimestamp" not in cluster["metadata"]:
        yield (
            f"{name}: recreated: answers under way finish, within {wanted.answers_s} s; then its "
            f"pools are away for about {wanted.start_s} s"
        )
        api.ask("PATCH", CLUSTERS, name, list(_sized(cluster, 0)))
        end = clock.now() + wanted.answers_s + BEYOND_S
        yield from _until(
            lambda: 0 if clock.now() >= end or not _is_wanted(api, wanted) else _workers(api, name),
            f"{name}: drains",
            clock,
        )
        if not _is_wanted(api, wanted):
            yield f"{wanted.service}: this release is no longer wanted, and {name} stays"
            return
        stay = _workers(api, name)
        but = f", but for {stay} workers that do not go: their nodes may be lost" if stay else ""
        yield f"{name}: drained in {clock.now() - began:.0f} s{but}"
        if _found(api, CLUSTERS, name) is not None:
            api.ask("DELETE", CLUSTERS, name)
    yield from _until(
        lambda: int(_found(api, CLUSTERS, name) is not None), f"{name}: is taken away", clock
    )
    yield (
        f"{name}: gone after {clock.now() - began:.0f} s; KubeRay builds the next, whose pools "
        f"answer in about {wanted.start_s} s"
    )


def _is_wanted(api: Asked, wanted: Wanted) -> bool:
    """Whether the RayService still is what this release made of it: a roll-back may come while a
    cluster drains, and it wants the very cluster that this release does not."""
    service = _found(api, SERVICES, wanted.service)
    return service is not None and mark_of(service) == wanted.cluster


def _until(left: Callable[[], int], what: str, clock: Clock) -> Iterator[str]:
    """Until there are none."""
    say_at = clock.now()
    while there := left():
        if clock.now() >= say_at:
            yield f"{what}: {there} left"
            say_at += SAYS_EVERY_S
        clock.sleep(LOOKS_EVERY_S)


def _workers(api: Asked, cluster: str) -> int:
    pods = api.ask("GET", PODS)["items"]
    of_it = {"ray.io/cluster": cluster, "ray.io/node-type": "worker"}
    return sum(of_it.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods)


def _found(api: Asked, kind: str, name: str) -> Any:
    try:
        return api.ask("GET", kind, name)
    except Refused as error:
        if error.status == GONE:
            return None
        raise


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Bring a Ray cluster to what its RayService says.")
    for name in ("service", "cluster"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("pods", "answers", "start"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--recreate", action="store_true")
    given = parser.parse_args(arguments)
    wanted = Wanted(
        given.service, given.cluster, given.pods, given.answers, given.start, given.recreate
    )
    # The first process of a container is not ended by a signal that it says nothing of.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for line in renew(Api.here(ACCOUNT, os.environ), wanted):
            print(line, flush=True)
    except (NotApplied, Refused, OSError, KeyError) as error:
        print(f"renew: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
