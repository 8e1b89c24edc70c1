import pytest

from deploy.docs import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_sources_say(name):
    made = PAGES[name]()
    assert (DOCS / name).read_text("utf-8") == made, "run `python -m deploy.docs`"


@pytest.mark.parametrize("name", PAGES)
def test_no_cell_of_a_table_is_left_open(name):
    for line in PAGES[name]().splitlines():
        assert not line.startswith("| ") or line.endswith(" |"), line
