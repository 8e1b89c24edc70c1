from pathlib import Path

import pytest

from serving.layout import plan
from serving.layout.rules import refusals
from tests.serving.layout.recipe_table import demand_of, page
from tests.serving.layout.recipes import RECIPES

PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"


@pytest.mark.parametrize("recipe", [r for r in RECIPES if not r.refused], ids=lambda r: r.name)
def test_what_others_run_is_among_the_layouts(recipe):
    offered = {layout.sizes for layout in plan(demand_of(recipe)).layouts}
    assert recipe.sizes in offered


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.refused], ids=lambda r: r.name)
def test_what_is_not_offered_is_refused_with_its_arithmetic(recipe):
    demand = demand_of(recipe)
    assert recipe.sizes not in {layout.sizes for layout in plan(demand).layouts}
    said = refusals(demand.model, demand.precision, recipe.sizes, demand.nodes)
    assert any(recipe.refused in reason for reason in said)


def test_every_recipe_has_a_source_and_a_name_of_its_own():
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES) >= 12
    assert all(recipe.source.startswith("https://") for recipe in RECIPES)


def test_the_page_is_what_the_planner_says():
    made = page()
    said = "run `python -m tests.serving.layout.recipe_table > docs/recipes.md`"
    assert PAGE.read_text("utf-8") == made, said
