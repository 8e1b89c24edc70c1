"""How a pool's replicas are replaced, and what is said of it beforehand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.replacing import AT_ONCE, Replacing, Way, replacing, start_s
from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.engine import Hardware, Pool
from serving.values import ModelName


def pool(name: str = "qwen3-8b", **spec: Any) -> Pool:
    model = ModelName(name)
    fields = ModelSpec.model_validate({"on": "big"} | spec)
    return Pool(model, fields, CATALOG[model], Hardware.of("h100-80g", per_node=8), "org/name")


SECONDS = start_s(pool())
TOLD_503 = "is told 503 with Retry-After"


@pytest.mark.parametrize(
    ("spec", "has_room", "way", "lasts", "away", "says"),
    [
        pytest.param({"replicas": 2}, False, Way.ONE_AT_A_TIME, 2, 0, "2 replicas, one", id="two"),
        pytest.param({"replicas": 2}, True, Way.ONE_AT_A_TIME, 2, 0, "no request", id="two, room"),
        pytest.param({"replicas": 12}, True, Way.ONE_AT_A_TIME, 6, 0, "2 at a time", id="twelve"),
        pytest.param({}, True, Way.SURGE, 1, 0, "before the only one leaves", id="one, room"),
        pytest.param({}, False, Way.ANNOUNCED, 1, 1, TOLD_503, id="one"),
        pytest.param(
            {"replicas": {"min": 1, "max": 3}}, True, Way.SURGE, 1, 0, "up", id="one that grows"
        ),
        pytest.param(
            {"replicas": {"min": 0, "max": 1}}, False, Way.ANNOUNCED, 1, 1, "", id="one that sleeps"
        ),
        pytest.param(
            {"holdFor": "30s"}, False, Way.ANNOUNCED, 1, 1, f"up to 30 s and then {TOLD_503}",
            id="waits",
        ),
        pytest.param(
            {"instead": "qwen3-4b"}, False, Way.ANNOUNCED, 1, 1, "is answered by qwen3-4b",
            id="instead",
        ),
        pytest.param(
            {"instead": "qwen3-4b", "holdFor": "5s"}, False, Way.ANNOUNCED, 1, 1,
            "waits up to 5 s and then is answered by qwen3-4b", id="waits, then instead",
        ),
    ],
)  # fmt: skip
def test_a_way_and_its_cost(
    spec: dict[str, Any], has_room: bool, way: Way, lasts: int, away: int, says: str
) -> None:
    found = replacing(pool(**spec), has_room=has_room)
    assert (found.way, found.lasts_s, found.away_s) == (way, lasts * SECONDS, away * SECONDS)
    assert says in found.says


@pytest.mark.parametrize("has_room", [True, False])
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_gang_is_replaced_as_any_replica_is(replicas: int, has_room: bool) -> None:
    """It answers out (`serving.pools.gangs`)."""
    gang = pool("qwen3-30b-a3b", layout={"data": 2, "expert": True}, replicas=replicas)
    one = pool("qwen3-30b-a3b", replicas=replicas)
    assert replacing(gang, has_room=has_room) == replacing(one, has_room=has_room)


@given(replicas=st.integers(1, 40), has_room=st.booleans())
def test_only_one_without_room_is_ever_away(replicas: int, has_room: bool) -> None:
    found: Replacing = replacing(pool(replicas=replicas), has_room=has_room)
    assert bool(found.away_s) is (replicas == 1 and not has_room) is (found.way is Way.ANNOUNCED)
    assert 0 <= found.away_s <= found.lasts_s
    assert found.lasts_s <= SECONDS * max(replicas, 1)
    assert found.lasts_s >= SECONDS * min(replicas, AT_ONCE)
