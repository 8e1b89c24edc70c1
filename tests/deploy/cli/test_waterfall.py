"""A start as it is drawn."""

import pytest

from deploy.cli.waterfall import WIDTH, bars

STEPS = [
    {"step": "process", "begin_s": 0.0, "seconds": 2.0},
    {"step": "imports", "begin_s": 2.0, "seconds": 6.0},
    {"step": "KV", "begin_s": 8.0, "seconds": 0.01},
]


def test_each_step_is_drawn_where_it_began():
    whole, process, imports, cache = bars(STEPS)
    assert whole == "start       8.0 s"
    assert process == "process     2.0 s  " + "█" * (WIDTH // 4)
    assert imports == "imports     6.0 s  " + " " * (WIDTH // 4) + "█" * (3 * WIDTH // 4)
    assert cache == "KV          0.0 s  " + " " * WIDTH + "▏"


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([], id="nothing was told"),
        pytest.param([{"step": "process", "begin_s": 0.0, "seconds": 0.0}], id="of no length"),
    ],
)
def test_what_has_not_begun_is_not_drawn(steps):
    assert list(bars(steps)) == []
