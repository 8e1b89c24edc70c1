import pytest
from rich.console import Console

from deploy.plan.tables import BAR, LINES, bar, memory
from serving.layout import Memory

GIB = 2**30


@pytest.mark.parametrize(
    ("size", "columns"),
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(1, 0, id="a byte"),
        pytest.param(GIB // 100, 1, id="a hundredth shows"),
        pytest.param(GIB // 2, BAR // 2, id="half"),
        pytest.param(GIB, BAR, id="all"),
    ],
)
def test_a_bar_is_a_share_of_the_gpu(size: int, columns: int) -> None:
    assert bar(size, GIB) == "█" * columns


def test_memory_names_every_line_and_what_is_free() -> None:
    lines = Memory(*(n * GIB for n in range(1, 8)))
    assert set(LINES) == set(lines.lines())
    console = Console(width=100)
    with console.capture() as seen:
        console.print(memory(32 * GIB, lines))
    rows = seen.get().splitlines()
    assert [row.split("GiB")[0].split()[-1] for row in rows] == [
        *(f"{n}.00" for n in range(1, 8)),
        "4.00",
        "32.00",
    ]
