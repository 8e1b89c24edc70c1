"""Room for one replica more: counted, and held against every way in which others can stand."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.config import Cluster
from deploy.local.pools import pools_of
from deploy.room import Blocks, Place, is_certain, roomy


@pytest.mark.parametrize(
    ("place", "standing", "wanted", "certain"),
    [
        pytest.param(Place("", 2), [(1, 1)], (1, 1), True, id="one of two"),
        pytest.param(Place("", 2), [(1, 2)], (1, 1), False, id="full"),
        pytest.param(Place("", 8, 2), [(8, 1)], (8, 1), True, id="a whole node is left"),
        pytest.param(Place("", 8, 2), [(4, 1), (4, 1)], (8, 1), False, id="half a node twice"),
        pytest.param(Place("", 8, 2), [(4, 3)], (4, 1), True, id="halves leave a half"),
        pytest.param(Place("", 8, 2), [(4, 2), (1, 2)], (4, 1), False, id="ones may cut a half"),
        pytest.param(Place("", 8, 2), [(4, 2), (1, 1)], (4, 1), True, id="one cuts but one half"),
        pytest.param(Place("", 8, 2), [(8, 1)], (1, 8), True, id="over as many as it takes"),
        pytest.param(Place("", 7, 2), [(4, 2)], (4, 1), False, id="what is left over holds none"),
        pytest.param(Place("", 1, 3), [(1, 1)], (1, 2), True, id="a gang"),
        pytest.param(Place("", 1, 3), [(1, 2)], (1, 2), False, id="half a gang"),
    ],
)
def test_room_that_is_certain(
    place: Place, standing: list[tuple[int, int]], wanted: tuple[int, int], certain: bool
) -> None:
    found = is_certain(place, [Blocks(*each) for each in standing], Blocks(*wanted))
    assert found is certain


def ways(free: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """What each node may have left, by every way in which blocks can stand."""
    if not sizes:
        yield free
        return
    for node, left in enumerate(free):
        if left >= sizes[0]:
            yield from ways((*free[:node], left - sizes[0], *free[node + 1 :]), sizes[1:])


@cache
def holds_always(per_node: int, nodes: int, standing: tuple[int, ...], size: int, n: int) -> bool:
    left = set(ways((per_node,) * nodes, standing))
    return all(sum(free // size for free in each) >= n for each in left)


@given(
    per_node=st.integers(1, 4),
    nodes=st.integers(1, 3),
    standing=st.lists(st.integers(1, 4), max_size=5),
    size=st.integers(1, 4),
    number=st.integers(1, 2),
)
def test_what_is_certain_holds_however_others_stand(
    per_node: int, nodes: int, standing: list[int], size: int, number: int
) -> None:
    fitting = tuple(sorted(min(each, per_node) for each in standing))
    size = min(size, per_node)
    if is_certain(Place("", per_node, nodes), blocks(fitting), Blocks(size, number)):
        assert holds_always(per_node, nodes, fitting, size, number)


def blocks(sizes: Iterable[int]) -> list[Blocks]:
    return [Blocks(size, 1) for size in sizes]


GPUS = {"big": {"kind": "h100-80g", "perNode": 8, "nodes": 2}, "l40s": {"kind": "l40s-48g"}}


def pools(**models: Any) -> Any:
    named = {name.replace("_", "-"): {"on": "big"} | spec for name, spec in models.items()}
    return pools_of(Cluster.model_validate({"gpus": GPUS, "models": named}))


def of(tensor: int = 1, **fields: Any) -> dict[str, Any]:
    return {"layout": {"tensor": tensor}, **fields}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param(pools(qwen3_8b=of(8)), None, {"qwen3-8b"}, id="the other node is free"),
        pytest.param(pools(qwen3_8b=of(8), qwen3_4b=of(8)), None, set(), id="both are taken"),
        pytest.param(
            pools(qwen3_8b=of(8), qwen3_4b=of(1)), None, {"qwen3-4b"}, id="ones beside a whole"
        ),
        pytest.param(
            pools(qwen3_8b=of(8, replicas={"min": 1, "max": 2})), None, set(), id="it may grow"
        ),
        pytest.param(pools(qwen3_8b=of(8)), pools(qwen3_8b=of(4)), {"qwen3-8b"}, id="cut smaller"),
        pytest.param(
            pools(qwen3_8b=of(8, replicas=2)), pools(qwen3_8b=of(4)), set(), id="smaller, no room"
        ),
        pytest.param(
            pools(qwen3_8b=of(8)),
            pools(qwen3_8b=of(8), qwen3_4b=of(8)),
            {"qwen3-4b"},
            id="another comes into the room",
        ),
        pytest.param(
            pools(qwen3_8b=of(8), qwen3_4b=of(8)),
            pools(qwen3_8b=of(8)),
            set(),
            id="another is still there",
        ),
        pytest.param(
            pools(qwen3_8b=of(8)),
            pools(qwen3_8b=of(1, on="l40s")),
            {"qwen3-8b"},
            id="it moves to a group that is empty",
        ),
        pytest.param(
            pools(
                qwen3_8b=of(8),
                qwen3_0_6b=of(1, on="l40s", like="qwen3-0.6b", source="Qwen/Qwen3-0.6B"),
            ),
            pools(qwen3_8b=of(1, on="l40s"), qwen3_4b=of(16 // 2)),
            {"qwen3-4b"},
            id="it moves to a group that is full",
        ),
    ],
)
def test_pools_with_room_for_one_more(old: Any, new: Any, found: set[str]) -> None:
    assert roomy(old, old if new is None else new) == found
