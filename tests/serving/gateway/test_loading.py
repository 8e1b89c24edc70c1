"""When a pool that loads is worth asking for again."""

import pytest

from serving.catalog import CATALOG
from serving.gateway.loading import ENGINE_START_S, SOON_S, come_again_s, expected_start_s
from serving.values import ModelName


@pytest.mark.parametrize(
    ("model", "precision", "least", "most"),
    [
        ("pocket-dense", "bf16", ENGINE_START_S, 71),
        ("qwen3-8b", "bf16", 95, 110),
        ("qwen3-235b-a22b", "fp8", 500, 600),
        ("qwen3-235b-a22b", "bf16", 900, 1100),
    ],
)
def test_a_start_takes_longer_the_more_weights_are_read(
    model: str, precision: str, least: float, most: float
) -> None:
    assert least <= expected_start_s(CATALOG[ModelName(model)], precision) <= most


@pytest.mark.parametrize(
    ("expected", "loading_for", "seconds"),
    [
        pytest.param(70, 0, 70, id="just deployed"),
        pytest.param(70, 30, 40, id="what is left"),
        pytest.param(40, 39, SOON_S, id="any moment"),
        pytest.param(70, 600, 60, id="a tenth of its age when it is late"),
    ],
)
def test_a_client_is_asked_back_when_it_should_be_ready(
    expected: float, loading_for: float, seconds: int
) -> None:
    assert come_again_s(expected, loading_for) == seconds
