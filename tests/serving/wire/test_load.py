import pytest

from serving.values import Load
from serving.wire.load import parse_load


@pytest.mark.parametrize(
    ("text", "load"),
    [
        pytest.param("running=3;waiting=2;kv=0.125", Load(3, 2, 0.125), id="as doors say it"),
        pytest.param("running=3;waiting=2;kv=1", Load(3, 2, 1.0), id="full"),
        pytest.param("running=3;waiting=2;kv=0.5;more=1", Load(3, 2, 0.5), id="a later door"),
        pytest.param(None, None, id="no door"),
        pytest.param("", None, id="empty"),
        pytest.param("running=-1;waiting=0;kv=0", None, id="negative"),
        pytest.param("running=many;waiting=0;kv=0", None, id="not numbers"),
        pytest.param("running=1", None, id="half"),
        pytest.param(f"running={'9' * 5000};waiting=0;kv=0", None, id="no count"),
    ],
)
def test_a_door_is_understood_or_passed_over(text: str | None, load: Load | None) -> None:
    assert parse_load(text) == load
