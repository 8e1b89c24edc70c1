"""In which order several pools are replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.pool_changes import Kind, PoolChange
from deploy.local.stages import stages
from serving.values import ModelName

A, B, C = (ModelName(name) for name in "abc")


def change(name: ModelName, kind: Kind) -> PoolChange:
    return PoolChange(name, kind, (), "")


@pytest.mark.parametrize(
    ("kinds", "instead", "found"),
    [
        pytest.param({}, {}, [set()], id="no pool"),
        pytest.param({A: Kind.REPLACED}, {A: B}, [{A}], id="one"),
        pytest.param(
            {A: Kind.REPLACED, B: Kind.REPLACED}, {}, [{A, B}], id="nobody stands in for anybody"
        ),
        pytest.param({A: Kind.REPLACED, B: Kind.REPLACED}, {A: B}, [{A}, {B}], id="one stands in"),
        pytest.param({A: Kind.REPLACED, B: Kind.REPLACED}, {B: A}, [{A}, {B}], id="the other does"),
        pytest.param(
            {A: Kind.REPLACED, B: Kind.SURGED}, {A: B}, [{A, B}], id="who stands in is never away"
        ),
        pytest.param(
            {A: Kind.SURGED, B: Kind.SURGED, C: Kind.ROLLED}, {}, [{A, C}, {B}], id="memory for one"
        ),
        pytest.param(
            {A: Kind.REPLACED, B: Kind.REPLACED, C: Kind.REPLACED},
            {A: B, C: B},
            [{A, C}, {B}],
            id="one for two",
        ),
    ],
)
def test_who_is_replaced_with_whom(
    kinds: dict[ModelName, Kind],
    instead: dict[ModelName, ModelName | None],
    found: list[set[ModelName]],
) -> None:
    made = stages([change(name, kind) for name, kind in kinds.items()], instead)
    assert list(made) == found


names = st.sampled_from([A, B, C])


@given(st.dictionaries(names, st.sampled_from(Kind)), st.dictionaries(names, st.none() | names))
def test_each_changes_once_and_nobody_is_away_with_who_stands_in_for_it(
    kinds: dict[ModelName, Kind], instead: dict[ModelName, ModelName | None]
) -> None:
    instead = {name: other for name, other in instead.items() if name != other}
    made = stages([change(name, kind) for name, kind in kinds.items()], instead)
    assert sorted(name for stage in made for name in stage) == sorted(kinds)
    for stage in made:
        away = {name for name in stage if kinds[name] is Kind.REPLACED}
        assert not any(instead.get(name) in away for name in away)
        assert sum(kinds[name] is Kind.SURGED for name in stage) <= 1
