from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from serving import balance
from serving.values import Load, ReplicaSnapshot, Target, TargetId


def replica(name: str, tokens: int = 0, *, failing: bool = False) -> ReplicaSnapshot:
    return ReplicaSnapshot(Target(TargetId(name), f"http://{name}"), tokens, failing=failing)


def chosen(*replicas: ReplicaSnapshot, turn: int = 0, avoid: str | None = None) -> str | None:
    target = balance.choose(replicas, turn, None if avoid is None else TargetId(avoid))
    return None if target is None else target.id


def test_the_replica_with_the_fewest_tokens_in_flight_is_chosen() -> None:
    assert chosen(replica("a", 300), replica("b", 200), replica("c", 250)) == "b"


def test_ties_are_settled_in_turn() -> None:
    counts = Counter(chosen(replica("a"), replica("b"), turn=turn) for turn in range(10))
    assert counts == {"a": 5, "b": 5}


def test_requests_of_other_gateways_count_too() -> None:
    busy_elsewhere = replace(replica("a"), foreign_requests=3)
    assert chosen(busy_elsewhere, replica("b", 600)) == "b"


def test_a_replica_whose_kv_cache_is_nearly_full_yields() -> None:
    full = replace(replica("a"), load=Load(1, 0, 0.97))
    assert chosen(full, replica("b", 4000)) == "b"


def test_a_failing_replica_is_left_out_while_there_is_another() -> None:
    assert chosen(replica("a", failing=True), replica("b", 9999)) == "b"


def test_a_failing_replica_is_better_than_none() -> None:
    assert chosen(replica("a", failing=True)) == "a"


def test_a_retry_goes_elsewhere_even_to_a_failing_one() -> None:
    assert chosen(replica("a"), replica("b", failing=True), avoid="a") == "b"


def test_a_retry_stays_where_there_is_nowhere_else() -> None:
    assert chosen(replica("a"), avoid="a") == "a"


def test_without_replicas_there_is_no_choice() -> None:
    assert chosen() is None


@given(
    st.lists(st.tuples(st.integers(0, 9999), st.booleans()), min_size=1, max_size=8),
    st.integers(0, 1000),
)
def test_the_chosen_one_is_never_heavier_than_another_that_is_well(
    states: list[tuple[int, bool]], turn: int
) -> None:
    replicas = [replica(str(i), tokens, failing=bad) for i, (tokens, bad) in enumerate(states)]
    target = balance.choose(replicas, turn)
    assert target is not None
    pick = replicas[int(target.id)]
    well = [r for r in replicas if not r.failing]
    assert not pick.failing or not well
    assert balance.burden(pick) == min(map(balance.burden, well or replicas))
