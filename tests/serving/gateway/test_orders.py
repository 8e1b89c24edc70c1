"""Words of operators: the later holds, in whatever order and however often gateways meet."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.orders import KEPT_S, Held, Order, Orders, digest, follows, held, merged
from serving.gateway.standing import StandingOrders
from serving.routing import Depth
from serving.values import ModelName

NOW = 1_000_000.0

words = st.builds(
    Order,
    subject=st.sampled_from(["mode", "pool/a", "pool/b", "key/" + "0" * 64]),
    value=st.sampled_from(["", "fast", "deep", "drained", "revoked"]),
    at=st.floats(NOW - 100, NOW),
    by=st.sampled_from(["ops 1", "ops 2"]),
    until=st.none() | st.floats(NOW - 50, NOW + 50),
)
lists = st.lists(words, max_size=8)


@given(lists, lists, lists)
def test_whoever_meets_whom_all_come_to_know_the_same(
    a: list[Order], b: list[Order], c: list[Order]
) -> None:
    one = merged(merged(merged({}, a, NOW), b, NOW), c, NOW)
    other = merged(merged(merged({}, c, NOW), a + a, NOW), b + c, NOW)
    assert one == other
    assert digest(one) == digest(other)
    assert held(one, NOW) == held(other, NOW)


@given(lists, words)
def test_a_word_that_follows_is_the_one_that_holds(known: list[Order], word: Order) -> None:
    before = merged({}, known, NOW)
    after = merged(before, [follows(before, word)], NOW + 1)
    assert after[word.subject].value == word.value


def order(subject: str, value: str, at: float = NOW, until: float | None = None) -> Order:
    return Order(subject, value, at, "ops 1", until)


@pytest.mark.parametrize(
    ("orders", "holds"),
    [
        pytest.param([], Held(), id="nothing"),
        pytest.param(
            [order("pool/a", "drained")], Held(drained=frozenset({ModelName("a")})), id="drained"
        ),
        pytest.param(
            [order("pool/a", "drained"), order("pool/a", "", NOW + 1)], Held(), id="resumed"
        ),
        pytest.param(
            [order("pool/a", "", NOW + 1), order("pool/a", "drained")],
            Held(),
            id="the later holds, whichever came first",
        ),
        pytest.param([order("mode", "deep")], Held(forced=Depth.DEEP), id="forced"),
        pytest.param([order("mode", "fast", until=NOW + 9)], Held(forced=Depth.FAST), id="yet"),
        pytest.param([order("mode", "fast", until=NOW)], Held(), id="its time is over"),
        pytest.param([order("mode", "sideways")], Held(), id="of a later version"),
        pytest.param([order("key/ff", "revoked")], Held(revoked=frozenset({"ff"})), id="revoked"),
    ],
)
def test_what_holds(orders: list[Order], holds: Held) -> None:
    assert held(merged({}, orders, NOW), NOW) == holds


@pytest.mark.parametrize(
    ("word", "stays"),
    [
        pytest.param(order("pool/a", "drained"), True, id="drained, until it is lifted"),
        pytest.param(order("mode", "deep"), True, id="forced, until it is lifted"),
        pytest.param(order("mode", "deep", until=NOW + 1), False, id="forced for a while"),
        pytest.param(order("pool/a", ""), False, id="lifted"),
        pytest.param(order("key/ff", "revoked"), False, id="revoked"),
    ],
)
def test_what_is_over_is_dropped_in_the_end(word: Order, stays: bool) -> None:
    assert word.subject in merged({}, [word], NOW + KEPT_S - 1)
    assert (word.subject in merged({}, [word], NOW + KEPT_S + 2)) is stays


@dataclass
class Shelf:
    """A place that several gateways of one machine keep their orders in."""

    kept: list[Order] = field(default_factory=list)

    def changed(self) -> list[Order]:
        return self.kept

    def keep(self, orders: Orders) -> bool:
        self.kept = list(orders.values())
        return True


def test_a_gateway_that_starts_knows_what_was_kept() -> None:
    shelf = Shelf()
    assert StandingOrders(shelf).place(order("mode", "deep"), NOW)
    started = StandingOrders(shelf)
    started.look(NOW)
    assert started.held.forced is Depth.DEEP


def test_what_holds_is_told_once_for_each_change() -> None:
    told: list[Held] = []
    standing = StandingOrders()
    standing.listen(told.append)
    standing.place(order("mode", "deep", until=NOW + 5), NOW)
    standing.look(NOW + 1)
    standing.look(NOW + 6)
    assert [each.forced for each in told] == [None, Depth.DEEP, None]


def test_a_gateway_with_no_place_for_it_says_that_it_does_not_keep_it() -> None:
    assert not StandingOrders().place(order("mode", "deep"), NOW)
