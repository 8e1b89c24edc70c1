import pytest

from serving.sizes import GIB, MIB, in_words


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0.0 KiB"),
        (1536, "1.5 KiB"),
        (MIB - 1, "1,024.0 KiB"),
        (MIB, "1.0 MiB"),
        (1.25 * GIB, "1.2 GiB"),
        (470 * GIB, "470.0 GiB"),
        (1200 * GIB, "1,200.0 GiB"),
    ],
)
def test_a_size_is_told_in_the_unit_in_which_a_person_has_it(size, said):
    assert in_words(size) == said
