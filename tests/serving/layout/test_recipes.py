import pytest

from serving.catalog import CATALOG
from serving.layout import Demand, Nodes, Precision, plan
from serving.layout.gpus import kind
from serving.layout.rules import refusals
from serving.values import ModelName
from tests.serving.layout.recipes import RECIPES, Recipe


def demand_of(recipe: Recipe) -> Demand:
    return Demand(
        CATALOG[ModelName(recipe.model)],
        Precision(recipe.precision),
        Nodes(kind(recipe.kind), recipe.per_node, recipe.nodes),
        recipe.context,
    )


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
