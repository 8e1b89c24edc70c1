"""Changes a running service: what its pools are told, what its gateway is, in an order in which
nobody is sent where nothing answers yet, or does no more.

What is to change is handed in. While the service is between two cluster files, the state folder
holds the one that is being applied; a failure puts back what ran.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from deploy.config import Cluster
from deploy.local.applications import text_of
from deploy.local.changes import Changes
from deploy.local.phases import Phase, PoolStatus, statuses
from deploy.local.pool_changes import Kind
from deploy.local.pools import pools_of
from deploy.local.ray_head import said
from deploy.local.report import Report
from deploy.local.rest import RayAway, RayRefused
from deploy.local.service import as_file
from deploy.local.stages import stages
from deploy.local.state import Running, StateFolder
from serving.pools.engine import Pool
from serving.values import ModelName

TICK_S: Final = 0.5
HANDOVER_WITHIN_S: Final = 90.0
"""The supervisor waits for the new gateway for a minute."""
OFFERED_WITHIN_S: Final = 30.0
"""After that something else is wrong, and the gateway tells its clients so."""


class NotApplied(Exception):
    """The service does not run as the file says. The message says why, and how it runs."""


class Ray(Protocol):
    """Its REST API."""

    def deploy(self, config: Mapping[str, Any]) -> None: ...

    def applications(self) -> dict[str, Any]: ...


class Rollout:
    """From `old`, which runs, to `new`. `another_gateway` asks the supervisor for one, and
    `offered` are the pools that the one there is knows to be ready."""

    def __init__(
        self,
        state: StateFolder,
        old: Cluster,
        new: Cluster,
        *,
        ray: Ray,
        another_gateway: Callable[[], None],
        offered: Callable[[], frozenset[str]],
        report: Report,
    ) -> None:
        self._state, self._ray, self._report = state, ray, report
        self._old, self._new = old, new
        self._another_gateway, self._offered = another_gateway, offered
        self._running = self._now()
        self._surging: frozenset[ModelName] = frozenset()
        self._has_told_ray = self._has_handed_over = False

    def run(self, found: Changes) -> None:
        """Raises NotApplied, once what ran is put back."""
        self._surging = frozenset(each.name for each in found.pools if each.kind is Kind.SURGED)
        self._state.write(self._state.applying_file, as_file(self._new))
        try:
            self._go(found)
        except (NotApplied, RayRefused) as error:
            self._report.close()
            self._report.say("it does not work; putting back what ran before")
            raise NotApplied(f"{error}\n{self._put_back()}") from error
        self._report.close()
        self._state.write(self._state.cluster_file, as_file(self._new))
        self._state.applying_file.unlink()

    def _go(self, found: Changes) -> None:
        """Pools that are added are ready before the gateway offers them, and those that are removed
        are gone from it before they go. Where there is no room for both, the gateway is told first:
        who asks for one that is not ready yet is told when to come again. So, too, where a pool
        will be away: what becomes of its requests then is the new file's to say."""
        shall = pools_of(self._new)
        names = {pool.name for pool in shall}
        gone = [pool for pool in pools_of(self._old) if pool.name not in names]
        kinds = {change.kind for change in found.pools}
        first = not found.beside or (Kind.REPLACED in kinds and Kind.ADDED not in kinds)
        if first and found.gateway:
            self._hand_over()
        if found.pools:
            self._replace(found, shall, gone if found.beside else [])
        if not first and found.gateway:
            self._hand_over()
        if found.beside and gone:
            self._deploy(shall)
        self._await_gateway(shall)

    def _replace(self, found: Changes, shall: list[Pool], gone: list[Pool]) -> None:
        """Stage by stage: a pool whose turn has not come is told to be what it is."""
        instead = {name: model.instead for name, model in self._new.models.items()}
        waits = {pool.name: pool for pool in pools_of(self._old)}
        for stage in stages(found.pools, instead):
            for name in stage:
                waits.pop(name, None)
            changing = {change.name for change in found.pools} & waits.keys()
            here = [waits[pool.name] if pool.name in changing else pool for pool in shall]
            self._deploy([*here, *gone])
            self._await_pools(here)

    def _put_back(self) -> str:
        """What to say of it."""
        self._state.write(self._state.applying_file, as_file(self._old))
        try:
            if self._has_told_ray:
                self._deploy(pools_of(self._old), of=self._old)
                self._await_pools(pools_of(self._old))
            if self._has_handed_over:
                self._hand_over()
        except (NotApplied, RayRefused) as error:
            return f"what ran before could not be put back: {error}"
        self._state.applying_file.unlink()
        return "the service runs as it did before"

    def _deploy(self, pools: list[Pool], of: Cluster | None = None) -> None:
        text = text_of(
            pools,
            proxy_port=self._running.ports.proxy,
            longest_answer_s=(of or self._new).longest_answer,
            cache=self._running.cache,
            surging=self._surging,
        )
        while True:
            try:
                self._ray.deploy(text)
            except RayAway:
                self._now()
                time.sleep(TICK_S)
            else:
                self._has_told_ray = True
                return

    def _await_pools(self, pools: list[Pool]) -> None:
        """Shows their way, as `up` does."""
        while True:
            found = self._statuses(pools)
            self._report.pools(found)
            if trouble := [each for each in found if each.trouble]:
                msg = "\n".join(f"{each.name} {each.phase}:\n{each.trouble}" for each in trouble)
                raise NotApplied(msg)
            if found and all(each.phase is Phase.READY for each in found):
                return
            time.sleep(TICK_S)

    def _await_gateway(self, pools: list[Pool]) -> None:
        """It asks Ray by turns, and whoever is told that all is done may ask at once."""
        deadline = time.monotonic() + OFFERED_WITHIN_S
        awake = {pool.name for pool in pools if pool.spec.bounds.min}
        while not awake <= self._offered() and time.monotonic() < deadline:
            self._now()
            time.sleep(TICK_S)

    def _statuses(self, pools: list[Pool]) -> list[PoolStatus]:
        """Of no pool while Ray is late to answer."""
        self._now()
        try:
            answer = self._ray.applications()
        except RayAway:
            return []
        logs = Path(self._running.temp_dir) / "session_latest" / "logs"
        return statuses([pool.name for pool in pools], answer, partial(said, logs))

    def _hand_over(self) -> None:
        before = self._now().handovers
        self._report.close()
        self._report.say("another gateway takes over")
        self._another_gateway()
        deadline = time.monotonic() + HANDOVER_WITHIN_S
        while (now := self._now()).handovers == before:
            if time.monotonic() > deadline:
                raise NotApplied("the supervisor did not replace the gateway")
            time.sleep(TICK_S / 5)
        if now.handover_failed:
            raise NotApplied(now.handover_failed)
        self._has_handed_over = True

    def _now(self) -> Running:
        """What the supervisor says of itself; raises NotApplied when it is gone."""
        found = self._state.load()
        if found is None or not self._state.is_locked():
            raise NotApplied("the service has ended meanwhile")
        return found


@contextmanager
def alone(state: StateFolder) -> Iterator[None]:
    """Two at once would each put back the other's. Raises NotApplied."""
    with (state.path / "apply.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotApplied(
                "another `bifocal apply` is at work; try again when it is done"
            ) from None
        yield
