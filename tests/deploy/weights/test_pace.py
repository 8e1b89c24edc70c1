import pytest

from deploy.weights.pace import Pace

GIB = 1024**3


@pytest.mark.parametrize(
    ("began", "now", "done", "total", "words"),
    [
        pytest.param(Pace(10.0, 0), 10.0, 0, GIB, "  0% of 1.0 GiB", id="nothing yet"),
        pytest.param(
            Pace(0.0, 0), 60.0, GIB // 4, GIB, " 25% of 1.0 GiB, 4.3 MiB/s, 3 min left", id="begun"
        ),
        pytest.param(
            Pace(0.0, GIB // 2), 60.0, GIB * 3 // 4, GIB,
            " 75% of 1.0 GiB, 4.3 MiB/s, 1 min left", id="what was there is not its speed",
        ),
        pytest.param(Pace(0.0, 0), 64.0, GIB, GIB, "100% of 1.0 GiB, 16.0 MiB/s", id="done"),
    ],
)  # fmt: skip
def test_a_pace_is_told_in_words(began: Pace, now: float, done: int, total: int, words: str):
    assert began.words(now, done, total) == words
