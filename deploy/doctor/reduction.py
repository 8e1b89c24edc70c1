"""Whether the ranks of a replica reach each other: what is asked of them, what they said, and what
it means.

Pure. The ranks meet at the first one, by the network that the pool's file names, and sum numbers of
three sizes. A network that is broken hangs an engine for minutes while it loads; here each rank
that does not come is named, with its node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from deploy.doctor.finding import Finding, Verdict
from serving.pools.engine import Pool
from serving.pools.serve_config import Proxy, serve_config

SIZES: Final = (8, 1024**2, 64 * 1024**2)
"""Bytes: what a step costs at least, what a decode step sends, what a prefill sends."""
CHECK: Final = "all-reduce"
INTERFACE: Final = "GLOO_SOCKET_IFNAME"
_OF_NETWORKS: Final = ("GLOO_", "NCCL_")


class Backend(StrEnum):
    GLOO = "gloo"
    NCCL = "nccl"


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one pool's replica."""

    pool: str
    bundles: tuple[dict[str, float], ...]
    """One for each rank."""
    strategy: str
    labels: dict[str, str]
    env: dict[str, str]
    """By which gloo and NCCL find their way."""
    backend: Backend
    limit_s: float

    @property
    def ranks(self) -> int:
        return len(self.bundles)


class Stage(StrEnum):
    """How far a rank came."""

    PLACED = "placed"
    MET = "met"
    SUMMED = "summed"


@dataclass(frozen=True, slots=True)
class Rank:
    number: int
    node: str
    """Empty where it never said so, and Ray does not know it either."""
    stage: Stage
    interface: str = ""
    """`eth1, 10.0.0.7`, by which it is to meet the others."""
    is_down: bool = False
    """Of the interface: no cable, or switched off."""
    error: str | None = None
    """Its own last word."""


@dataclass(frozen=True, slots=True)
class Timing:
    size: int
    seconds: float

    @property
    def gb_per_s(self) -> float:
        """Bytes by time: of the numbers, not of what went over the wire."""
        return self.size / self.seconds / 1e9


@dataclass(frozen=True, slots=True)
class Reduced:
    """What came of it."""

    pool: str
    backend: Backend
    beside: bool
    """Whether the pool runs, so that these ranks stood beside its own and took nothing from them:
    on GPUs it is their network alone that was tried, by gloo."""
    ranks: tuple[Rank, ...] = ()
    timings: tuple[Timing, ...] = ()
    """Of the slowest rank."""
    no_room: str | None = None
    """What the cluster has, where the ranks could not be placed."""


def asked(pool: Pool, limit_s: float) -> Asked:
    """As Serve is told to place it, read from what Serve is told."""
    text = serve_config([pool], proxy=Proxy("", 0), longest_answer_s=0, cache="")
    (application,) = text["applications"]
    options: Mapping[str, Any] = application["args"]["deployment"]
    gang = options.get("gang_scheduling_config", {})
    env = application["runtime_env"]["env_vars"]
    return Asked(
        pool=pool.name,
        bundles=tuple(options["placement_group_bundles"] * pool.layout.data),
        strategy=gang.get("gang_placement_strategy") or options["placement_group_strategy"],
        labels=dict(options.get("placement_group_bundle_label_selector", [{}])[0]),
        env={name: value for name, value in env.items() if name.startswith(_OF_NETWORKS)},
        backend=Backend.GLOO if pool.hardware.cpu else Backend.NCCL,
        limit_s=limit_s,
    )


def found(asked: Asked, reduced: Reduced) -> Finding:
    """One finding a pool: the first thing that is wrong hides what comes after it."""
    if reduced.no_room is not None:
        return _no_room(asked, reduced.no_room)
    late = [rank for rank in reduced.ranks if rank.stage is Stage.PLACED]
    if late:
        return _late(asked, reduced.ranks, late)
    if failed := [rank for rank in reduced.ranks if rank.stage is Stage.MET]:
        return _broken(asked, failed)
    times = ", ".join(map(_timing, reduced.timings))
    beside = ", beside the pool's own" if reduced.beside else ""
    on = ", ".join(dict.fromkeys(rank.node for rank in reduced.ranks))
    seen = f"{asked.pool}: {asked.ranks} ranks on {on}{beside}, {reduced.backend}: {times}"
    return Finding(CHECK, Verdict.OK, seen)


def as_json(reduced: Reduced) -> dict[str, Any]:
    return {
        "pool": reduced.pool,
        "backend": reduced.backend,
        "beside": reduced.beside,
        "ranks": [
            {"rank": each.number, "node": each.node, "stage": each.stage, "error": each.error}
            for each in reduced.ranks
        ],
        "times": [
            {"bytes": each.size, "seconds": each.seconds, "gb_per_s": each.gb_per_s}
            for each in reduced.timings
        ],
    }


def _no_room(asked: Asked, has: str) -> Finding:
    bundle = " + ".join(f"{count:g} {name}" for name, count in asked.bundles[0].items())
    labels = f" on nodes with {asked.labels}" if asked.labels else ""
    seen = (
        f"{asked.pool}: no room for {asked.ranks} x ({bundle}), {asked.strategy}{labels}; "
        f"the cluster has free: {has}"
    )
    remedy = "start the missing nodes, or free what is taken; `bifocal plan` tells what fits"
    return Finding(CHECK, Verdict.FAIL, seen, remedy)


def _late(asked: Asked, ranks: tuple[Rank, ...], late: list[Rank]) -> Finding:
    """All are to come to the first rank, so without it nobody else is to blame; and where a link is
    down, whoever is at its other end is not either."""
    first = ranks[0]
    to_blame = [rank for rank in ranks if rank.is_down] or ([first] if first in late else late)
    who = "; ".join(f"{_place(rank)}{_said(rank)}" for rank in to_blame)
    seen = f"{asked.pool}: {len(late)} of {asked.ranks} ranks did not meet rank 0 on {first.node} "
    seen += f"within {asked.limit_s:g} s, for: {who}"
    return Finding(CHECK, Verdict.FAIL, seen, _look_at(asked, to_blame))


def _broken(asked: Asked, failed: list[Rank]) -> Finding:
    who = "; ".join(f"{_place(rank)}{_said(rank)}" for rank in failed)
    seen = f"{asked.pool}: all ranks met and did not finish within {asked.limit_s:g} s: {who}"
    return Finding(CHECK, Verdict.FAIL, seen, _look_at(asked, failed))


def _look_at(asked: Asked, ranks: list[Rank]) -> str:
    nodes = ", ".join(dict.fromkeys(rank.node or "its node" for rank in ranks))
    by = asked.env.get(INTERFACE)
    named = f"interface {by} (gpus.NAME.network.interface)" if by else "the network"
    return f"look at {named} of {nodes}: link, address, firewall"


def _place(rank: Rank) -> str:
    return f"rank {rank.number} on {rank.node or 'a node that did not answer'}"


def _said(rank: Rank) -> str:
    parts = [part for part in (rank.interface, "down" if rank.is_down else "", rank.error) if part]
    return f" ({', '.join(parts)})" if parts else ""


def _timing(timing: Timing) -> str:
    rate = f" ({timing.gb_per_s:.2f} GB/s)" if timing.size >= 1024**2 else ""
    return f"{_size(timing.size)} {timing.seconds * 1000:.2f} ms{rate}"


def _size(count: int) -> str:
    return f"{count // 1024**2} MiB" if count >= 1024**2 else f"{count} B"
