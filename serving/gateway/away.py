"""Requests whose model is away: they wait here until it is known what becomes of them.

What that is `serving.routing.absence` decides; this module looks at the pools for it, by turns, and
counts who waits. A request that waits holds its place among the concurrent ones, and has been told
nothing yet: no status, no comment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from serving.errors import BifocalError, EngineUnavailable, PoolDrained, PoolLoading
from serving.gateway.pool import Pools
from serving.gateway.standing import StandingOrders
from serving.routing import Family, Reason
from serving.routing.absence import Policy, Situation, Step, decide, retry_after_s
from serving.values import ModelName, Route

AWAY: Final = (PoolLoading, PoolDrained, EngineUnavailable)
"""What is raised when nobody can answer a request."""
LOOK_EVERY_S: Final = 0.1
"""More often than the gateway itself looks for replicas; a look costs microseconds."""


class Away:
    """`most_waiting` requests wait at once, `clock` only runs forward."""

    def __init__(
        self,
        pools: Pools,
        policies: Mapping[ModelName, Policy],
        family: Family,
        standing: StandingOrders,
        *,
        most_waiting: int,
        clock: Callable[[], float],
    ) -> None:
        self._pools, self._policies, self._family = pools, policies, family
        self._standing, self._most_waiting, self._clock = standing, most_waiting, clock
        self._waiting = 0

    async def next(self, route: Route, since: float, tries: int, *, any_mode: bool) -> Route | None:
        """Where to send a request that nobody could answer at `since`, once that is known; None:
        nowhere. With `any_mode` whoever stands in need not offer the route's."""
        match await self._step(route, since, tries, any_mode=any_mode):
            case Step.HOME:
                return route
            case Step.INSTEAD:
                return self._stand_in(route)
        return None

    async def _step(self, route: Route, since: float, tries: int, *, any_mode: bool) -> Step:
        policy = self._policies.get(route.model, Policy())
        waits, begun = False, self._clock()
        if tries:
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            while True:
                crowded = not waits and self._waiting >= self._most_waiting
                now = self._situation(
                    route, since, begun, tries, crowded=crowded, any_mode=any_mode
                )
                decision = decide(policy, now)
                if decision.step is not Step.WAIT:
                    return decision.step
                if not waits:
                    waits = True
                    self._waiting += 1
                await asyncio.sleep(min(LOOK_EVERY_S, decision.at_most_s))
        finally:
            self._waiting -= waits

    def _stand_in(self, home: Route) -> Route | None:
        """The same request with the model that stands in."""
        other = self._policies.get(home.model, Policy()).instead
        return None if other is None else Route(other, home.mode, Reason.STANDS_IN)

    def refusal(self, home: Route, error: BifocalError) -> BifocalError:
        """`error` is why it could not be answered first; what it says of time is of now."""
        now = time.time()
        own = None if isinstance(error, PoolDrained) else self._pools.away(home.model, now)
        last = own or error
        other = self._stand_in(home)
        if other is None:
            return last
        why = "cannot take this request"
        theirs = self._pools.away(other.model, now)
        if theirs is not None:
            why = "is not ready either"
        message = f"{last.message}; {other.model}, which answers instead, {why}"
        after = retry_after_s(last.retry_after_s, None if theirs is None else theirs.retry_after_s)
        return type(last)(message, retry_after_s=after)

    def _situation(
        self,
        route: Route,
        since: float,
        begun: float,
        tries: int,
        *,
        crowded: bool,
        any_mode: bool,
    ) -> Situation:
        name, other, clock = route.model, self._stand_in(route), self._clock()
        return Situation(
            ready=self._pools.snapshot(name).ready,
            hopeless=self._is_drained(name) or self._pools.failed_to_start(name),
            waited_s=clock - since,
            tries=tries,
            tried_s=clock - begun,
            crowded=crowded,
            other_ready=other is not None and self._can(other, any_mode=any_mode),
        )

    def _can(self, route: Route, *, any_mode: bool) -> bool:
        offered = any_mode or route.mode in self._family.modes(route.model)
        ready = self._pools.snapshot(route.model).ready
        return offered and ready and not self._is_drained(route.model)

    def _is_drained(self, name: ModelName) -> bool:
        return name in self._standing.held.drained
