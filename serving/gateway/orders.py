"""What operators have ordered: pools that take nothing new, the way that `auto` must go, keys that
are revoked. Pure.

An order is a word on one subject, and the later word holds. Gateways tell each other what they
know and keep the later word on each subject, so all come to know the same, whoever meets whom and
however often. Lifting an order is a word, too, or it would come back from one that had not heard of
it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from serving.routing import Depth
from serving.values import ModelName

MODE: Final = "mode"
POOL: Final = "pool/"
KEY: Final = "key/"
DRAINED: Final = "drained"
REVOKED: Final = "revoked"
LIFTED: Final = ""
KEPT_S: Final = 90 * 86400.0
"""How long a word is kept that holds no more, and a revoked key: its line is long out of the file
of keys by then. What is drained or forced without an end stays until it is lifted."""
MOST: Final = 1000
AFTER_S: Final = 0.001
"""A word is later than the one it follows even where this machine's clock is behind."""


class Order(msgspec.Struct, frozen=True):
    """One word: times in seconds since the epoch."""

    subject: str
    """`mode`, `pool/NAME`, `key/SHA256`"""
    value: str
    """`fast`, `deep`; `drained`; `revoked`; nothing where it is lifted."""
    at: float
    by: str
    """Whose key it was, by its team and id."""
    until: float | None = None
    """When it ends by itself."""

    def holds(self, now: float) -> bool:
        return self.value != LIFTED and (self.until is None or now < self.until)


Orders = Mapping[str, Order]
"""By subject."""


@dataclass(frozen=True, slots=True)
class Held:
    """What follows from all orders at a moment: what each request looks at."""

    drained: frozenset[ModelName] = frozenset()
    forced: Depth | None = None
    revoked: frozenset[str] = frozenset()
    """SHA-256 of keys."""


def merged(known: Orders, more: Iterable[Order], now: float) -> dict[str, Order]:
    """The later word on each subject; what has had its time is dropped."""
    found = dict(known)
    for order in more:
        before = found.get(order.subject)
        if before is None or _rank(order) > _rank(before):
            found[order.subject] = order
    return {subject: order for subject, order in found.items() if not _is_over(order, now)}


def held(orders: Orders, now: float) -> Held:
    standing = [order for order in orders.values() if order.holds(now)]
    mode = orders.get(MODE)
    forced = mode.value if mode is not None and mode.holds(now) else None
    return Held(
        frozenset(ModelName(name) for name in _named(standing, POOL, DRAINED)),
        Depth(forced) if forced in tuple(Depth) else None,
        frozenset(_named(standing, KEY, REVOKED)),
    )


def follows(orders: Orders, order: Order) -> Order:
    """The order, later than what is known of its subject."""
    before = orders.get(order.subject)
    if before is None or before.at < order.at:
        return order
    return msgspec.structs.replace(order, at=before.at + AFTER_S)


def digest(orders: Orders) -> str:
    """The same where the same is known."""
    lines = [msgspec.json.encode(orders[subject]) for subject in sorted(orders)]
    return hashlib.sha256(b"\n".join(lines)).hexdigest()[:32]


def _named(standing: Iterable[Order], prefix: str, value: str) -> Iterable[str]:
    return (
        order.subject.removeprefix(prefix)
        for order in standing
        if order.value == value and order.subject.startswith(prefix)
    )


def _rank(order: Order) -> tuple[float, str, str, float]:
    """Total, so that two words of the same moment have the same order everywhere."""
    return order.at, order.by, order.value, order.until or 0.0


def _is_over(order: Order, now: float) -> bool:
    ended = order.at if order.until is None else order.until
    transient = order.value == LIFTED or order.until is not None or order.subject.startswith(KEY)
    return transient and now - ended > KEPT_S
