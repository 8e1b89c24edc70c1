from functools import cache

import pytest

from deploy.plan import document
from deploy.plan.document import MODELS
from tests.deploy.test_docs import DOCS

page = cache(document.page)


def test_the_page_is_what_the_planner_says() -> None:
    made = (DOCS / "layouts.md").read_text("utf-8")
    assert made == page(), "run `python -m deploy.plan.document > docs/layouts.md`"


@pytest.mark.parametrize("model", MODELS, ids=lambda facts: facts.name)
def test_every_model_stands_in_each_of_the_six_tables(model) -> None:
    assert len(MODELS) == 8
    for precision in ("bf16", "fp8"):
        assert page().count(f"| {model.name} | {precision} | ") == 3


def test_no_number_is_said_to_be_measured() -> None:
    assert "predicted by a roofline and not measured" in " ".join(page().split())
