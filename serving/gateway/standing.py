"""The orders that this gateway knows, and what holds of them now.

`held` is one frozen value, swapped whole: a request reads an attribute and no more. Once a second,
and with each order, it is made anew, so that an order ends when its time is over. Where orders are
kept so that a restart does not forget them is a keeper's; `peers` exchanges them.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from serving.errors import BadKey
from serving.gateway.orders import Held, Order, Orders, digest, follows, held, merged
from serving.keys import KeyRecord, KeyStore


class Keeper(Protocol):
    """Keeps orders beyond the life of this process."""

    def changed(self) -> Iterable[Order]:
        """What is kept, if it has changed since it was last asked for."""

    def keep(self, orders: Orders) -> bool:
        """Whether it could; what is kept there already and is later stays."""


class Forgetful:
    """The keeper of a gateway that has no place for it: only its peers remember."""

    def changed(self) -> Iterable[Order]:
        return ()

    def keep(self, orders: Orders) -> bool:
        return False


class StandingOrders:
    """`now` is in seconds since the epoch."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self._keeper = keeper or Forgetful()
        self._tell: Callable[[Held], None] | None = None
        self.orders: Orders = {}
        self.held = Held()
        self.digest = digest({})

    def listen(self, tell: Callable[[Held], None]) -> None:
        """It is told what holds, now and with each change."""
        self._tell = tell
        tell(self.held)

    def place(self, order: Order, now: float) -> bool:
        """Whether it is kept beyond this process."""
        self.learn([follows(self.orders, order)], now)
        return self._keeper.keep(self.orders)

    def learn(self, orders: Iterable[Order], now: float) -> None:
        """Also without any: then what holds is looked at anew."""
        found = merged(self.orders, orders, now)
        if found != self.orders:
            self.orders, self.digest = found, digest(found)
        holds = held(found, now)
        if holds != self.held:
            self.held = holds
            if self._tell is not None:
                self._tell(holds)

    def look(self, now: float) -> None:
        """What is kept may have been changed by another process."""
        self.learn(self._keeper.changed(), now)


class Unrevoked:
    """A KeyStore without the keys that are revoked, whatever the file of keys still says."""

    def __init__(self, keys: KeyStore, standing: StandingOrders) -> None:
        self._keys, self._standing = keys, standing

    def record_of(self, secret: str | None, now: float) -> KeyRecord | None:
        record = self._keys.record_of(secret, now)
        if record is not None and record.sha256 in self._standing.held.revoked:
            msg = "this API key has been revoked; ask those who run this endpoint for a new one"
            raise BadKey(msg)
        return record

    def starting(self, start: str) -> tuple[KeyRecord, ...]:
        return self._keys.starting(start)
