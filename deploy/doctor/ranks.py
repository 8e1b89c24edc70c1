"""On a Ray cluster: a look at every node, and an all-reduce by the ranks of each pool.

    python -m deploy.doctor.ranks < job.json > report.json

A process of its own, so that whoever asks can end it. Ranks stand where the pool's own do if it
runs, and take nothing from them; else where they would be placed.
"""

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import ray
from ray.util import placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from deploy.doctor.job import HEARD_OUT_S, NODES_LIMIT_S, PLACED_WITHIN_S, Job, Node, Report
from deploy.doctor.look import look
from deploy.doctor.machine import Machine
from deploy.doctor.rank import Member, Place
from deploy.doctor.reduction import SIZES, Asked, Backend, Rank, Reduced, Stage, Timing


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a rank is put, and what it takes there."""

    options: Mapping[str, Any]
    node_id: str


def examined(job: Job) -> Report:
    ray.init(address=job.address, log_to_driver=False, logging_level="ERROR")
    alive = {each["NodeID"]: each for each in ray.nodes() if each["Alive"]}
    nodes = _looked_at(alive)
    names = {node_id: each["NodeManagerHostname"] for node_id, each in alive.items()}
    return Report(tuple(nodes), tuple(_reduced(asked, names) for asked in job.pools))


def _looked_at(alive: Mapping[str, Mapping[str, Any]]) -> Iterator[Node]:
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    looks = {node_id: task.options(scheduling_strategy=_on(node_id)).remote() for node_id in alive}
    told = _told(looks, NODES_LIMIT_S)
    for node_id, node in alive.items():
        said = told.get(node_id)
        machine = said if isinstance(said, Machine) else None
        yield Node(node["NodeManagerHostname"], node["NodeManagerAddress"], machine)


def _reduced(asked: Asked, names: Mapping[str, str]) -> Reduced:
    if seats := _beside(asked):
        return _by_members(asked, seats, names, backend=Backend.GLOO, beside=True)
    group = placement_group(
        [dict(bundle) for bundle in asked.bundles],
        strategy=asked.strategy,
        **({"bundle_label_selector": [asked.labels] * asked.ranks} if asked.labels else {}),
    )
    try:
        if not group.wait(PLACED_WITHIN_S):
            return Reduced(asked.pool, asked.backend, beside=False, no_room=_free())
        return _by_members(asked, _seats(asked, group), names, backend=asked.backend, beside=False)
    finally:
        remove_placement_group(group)


def _beside(asked: Asked) -> list[Seat]:
    """The nodes of the pool's own ranks, if one replica has all of its."""
    # As Serve names the groups of a replica and of a gang.
    prefixes = (f"SERVE_REPLICA::{asked.pool}#", f"SERVE_GANG::{asked.pool}_")
    for group in placement_group_table().values():
        nodes = [node for _, node in sorted(group["bundles_to_node_id"].items())]
        ours = group["state"] == "CREATED" and group["name"].startswith(prefixes)
        if ours and len(nodes) == asked.ranks:
            return [Seat({"num_cpus": 0, "scheduling_strategy": _on(node)}, node) for node in nodes]
    return []


def _seats(asked: Asked, group: Any) -> list[Seat]:
    nodes = placement_group_table(group)["bundles_to_node_id"]
    return [
        Seat(
            {
                "num_cpus": bundle.get("CPU", 0),
                "num_gpus": bundle.get("GPU", 0),
                "scheduling_strategy": PlacementGroupSchedulingStrategy(group, index),
            },
            nodes[index],
        )
        for index, bundle in enumerate(asked.bundles)
    ]


def _by_members(
    asked: Asked, seats: Sequence[Seat], names: Mapping[str, str], *, backend: Backend, beside: bool
) -> Reduced:
    """Each step has its limit. Actors end with this process, also those that say nothing."""
    make = ray.remote(Member)
    members = [
        make.options(runtime_env={"env_vars": asked.env}, **seat.options).remote(
            number, asked.ranks, backend, asked.limit_s
        )
        for number, seat in enumerate(seats)
    ]
    places = _told({n: each.place.remote() for n, each in enumerate(members)}, asked.limit_s)
    met = _met(members, asked.limit_s)
    summed: dict[int, Any] = {}
    if [met.get(number, False) for number in range(asked.ranks)] == [None] * asked.ranks:
        sums = {n: each.sum.remote(SIZES) for n, each in enumerate(members)}
        summed = _told(sums, asked.limit_s)
    ranks = tuple(
        _rank(number, names.get(seat.node_id, ""), places, met, summed)
        for number, seat in enumerate(seats)
    )
    return Reduced(asked.pool, backend, beside, ranks, _slowest(summed, asked.ranks))


def _met(members: Sequence[Any], limit_s: float) -> dict[int, Any]:
    """By rank: None for one that came, else its error; those that said nothing are left out."""
    first = _told({0: members[0].invite.remote()}, limit_s)
    if not isinstance(first.get(0), tuple):
        return first
    host, port = first[0]
    others = {n: each.meet.remote(host, port) for n, each in enumerate(members) if n}
    return {0: None, **_told(others, limit_s)}


def _rank(
    number: int,
    node: str,
    places: Mapping[int, Any],
    met: Mapping[int, Any],
    summed: Mapping[int, Any],
) -> Rank:
    place = places.get(number)
    error = next((e for e in (place, met.get(number), summed.get(number)) if _is_error(e)), None)
    stage = Stage.PLACED
    if number in met and met[number] is None:
        stage = Stage.SUMMED if isinstance(summed.get(number), list) else Stage.MET
    interface, is_down = "", False
    if isinstance(place, Place):
        interface, is_down = place.interface, place.is_down
    return Rank(number, node, stage, interface, is_down, _in_words(error) if error else None)


def _slowest(summed: Mapping[int, Any], ranks: int) -> tuple[Timing, ...]:
    told = [each for each in summed.values() if isinstance(each, list)]
    if len(told) < ranks:
        return ()
    by_size = zip(*told, strict=True)
    return tuple(max(timings, key=lambda timing: timing.seconds) for timings in by_size)


def _told(asked: Mapping[Any, Any], limit_s: float) -> dict[Any, Any]:
    """What each said in time, be it an error. Torch gives up at the limit, and is heard out."""
    refs = list(asked.values())
    done, _ = ray.wait(refs, num_returns=len(refs), timeout=limit_s + HEARD_OUT_S)
    return {key: _result(ref) for key, ref in asked.items() if ref in done}


def _result(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except ray.exceptions.RayError as error:
        return error


def _is_error(said: object) -> bool:
    return isinstance(said, BaseException)


def _in_words(error: BaseException) -> str:
    """The last line of what Ray tells, which is the error itself."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(error).__name__


def _on(node_id: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _free() -> str:
    free = ray.available_resources()
    kinds = sorted(key for key in free if not key.startswith(("node:", "object_store", "memory")))
    return ", ".join(f"{free[key]:g} {key}" for key in kinds) or "nothing"


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    # Ray and its workers write to standard output what is not meant for whoever reads the report.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with out:
        out.write(msgspec.json.encode(dataclasses.asdict(examined(job))))


if __name__ == "__main__":
    main()
