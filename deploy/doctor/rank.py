"""One rank of an all-reduce: an actor that meets the others and sums with them, as a worker of an
engine does.

The driver, which needs the class alone, imports no torch; hence the imports inside.
"""

import os
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psutil
import ray

from deploy.doctor.reduction import INTERFACE, Backend, Timing

MOST_ROUNDS: Final = 50
BYTES_IN_ALL: Final = 16 * 1024**2
"""Sums of one size are repeated until they are so many, so that one slow start counts little."""
FEWEST_ROUNDS: Final = 2


class NoInterface(Exception):
    """The node has none of that name, or it has no address."""


class WrongSum(Exception):
    """Numbers went over the network and came back as others."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rank stands."""

    node: str
    interface: str
    is_down: bool


class Member:
    """Rank `number` of `ranks`."""

    def __init__(self, number: int, ranks: int, backend: Backend, limit_s: float) -> None:
        self._number, self._ranks, self._backend = number, ranks, backend
        self._limit = timedelta(seconds=limit_s)
        self._device = "cuda" if backend is Backend.NCCL else "cpu"
        self._store: Any = None

    def place(self) -> Place:
        """Said also where nobody can be met."""
        name = os.environ.get(INTERFACE)
        state = psutil.net_if_stats().get(name or "")
        is_down = state is not None and not state.isup
        return Place(socket.gethostname(), _interface_in_words(name), is_down)

    def invite(self) -> tuple[str, int]:
        """Of the first rank: the address where all meet. It listens there alone."""
        from serving.pools.sharding.meeting import store_where_told  # noqa: PLC0415

        address = _address()
        self._store = store_where_told(
            host_name=address, port=0, world_size=self._ranks, is_master=True,
            wait_for_workers=False, timeout=self._limit,
        )  # fmt: skip
        return address, self._store.port

    def meet(self, host: str, port: int) -> None:
        """Of each other rank."""
        from torch.distributed import TCPStore  # noqa: PLC0415

        self._store = TCPStore(
            host_name=host, port=port, world_size=self._ranks, is_master=False,
            wait_for_workers=False, timeout=self._limit,
        )  # fmt: skip

    def sum(self, sizes: tuple[int, ...]) -> list[Timing]:
        """Raises WrongSum, and what torch raises."""
        from torch import distributed  # noqa: PLC0415

        distributed.init_process_group(
            str(self._backend), store=self._store, rank=self._number, world_size=self._ranks,
            timeout=self._limit,
        )  # fmt: skip
        return [self._timed(size) for size in sizes]

    def _timed(self, size: int) -> Timing:
        """By numbers of four bytes."""
        import torch  # noqa: PLC0415

        numbers = torch.full((size // 4,), self._number + 1.0, device=self._device)
        torch.distributed.all_reduce(numbers)
        expected = self._ranks * (self._ranks + 1) / 2
        if not bool((numbers == expected).all()):
            raise WrongSum(f"{size} B: not {expected:g} everywhere")
        numbers.zero_()  # so that sums of sums stay small
        rounds = max(FEWEST_ROUNDS, min(MOST_ROUNDS, BYTES_IN_ALL // size))
        began = self._now()
        for _ in range(rounds):
            torch.distributed.all_reduce(numbers)
        return Timing(size, (self._now() - began) / rounds)

    def _now(self) -> float:
        """Once the device has done what it was given."""
        import torch  # noqa: PLC0415

        if self._backend is Backend.NCCL:
            torch.cuda.synchronize()
        return time.perf_counter()


def _address() -> str:
    """Of the interface that the pool's network names, else the one that Ray has for the node."""
    name = os.environ.get(INTERFACE)
    if name is None:
        return str(ray.util.get_node_ip_address())
    there = psutil.net_if_addrs()
    for each in there.get(name, ()):
        if each.family == socket.AF_INET:
            return str(each.address)
    raise NoInterface(f"no {name} with an address; there are {', '.join(sorted(there))}")


def _interface_in_words(name: str | None) -> str:
    """`eth1, 10.0.0.7`"""
    try:
        return ", ".join(part for part in (name, _address()) if part)
    except NoInterface as error:
        return str(error)
