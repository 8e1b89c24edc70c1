import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.layout.stages import experts_of_ranks, layers_of_stages


@pytest.mark.parametrize(
    ("layers", "stages", "counts"),
    [
        pytest.param(94, 1, [94], id="one stage"),
        pytest.param(94, 2, [47, 47], id="even"),
        pytest.param(94, 4, [23, 24, 24, 23], id="the ends hold the vocabulary"),
        pytest.param(94, 8, [11, 12, 12, 12, 12, 12, 12, 11], id="six left over"),
        pytest.param(28, 3, [9, 10, 9], id="one left over"),
        pytest.param(47, 4, [12, 12, 12, 11], id="only the last is spared"),
    ],
)
def test_layers_that_do_not_divide_spare_the_last_stage(layers, stages, counts):
    assert [len(stage) for stage in layers_of_stages(layers, stages)] == counts


@given(st.integers(1, 128), st.integers(1, 32))
def test_every_layer_is_on_one_stage_in_order(layers, stages):
    placed = [layer for stage in layers_of_stages(layers, stages) for layer in stage]
    assert placed == list(range(layers))


@given(st.integers(1, 256), st.integers(1, 256))
def test_every_expert_is_on_one_rank_and_no_rank_has_two_more_than_another(experts, ranks):
    spread = experts_of_ranks(experts, ranks)
    assert [expert for rank in spread for expert in rank] == list(range(experts))
    assert max(map(len, spread)) - min(map(len, spread)) <= 1
