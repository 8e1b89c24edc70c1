"""The published recipes beside what the planner makes of each: the page `docs/recipes.md`.

python -m tests.serving.layout.recipe_table > docs/recipes.md
"""

from collections.abc import Iterator

from serving.catalog import CATALOG
from serving.layout import Demand, Nodes, Precision, plan
from serving.layout.gpus import kind
from serving.layout.rules import refusals
from serving.layout.words import sizes_words
from serving.values import ModelName
from tests.serving.layout.recipes import RECIPES, Recipe

HEAD = """# Recipes of others

<!-- Made by `python -m tests.serving.layout.recipe_table`; edit what it is made from. -->

What others publish about serving Qwen3 on GPUs, entered before the planner was run on it, and what
`bifocal plan` says to each: {offered} are among its layouts, {refused} are refused with the
arithmetic. A test holds every row. [The layouts](layouts.md) has the planner's own choices.

- **cut**: one replica's, as the source has it. TP: tensor-parallel ranks, PP: pipeline stages, DP:
  ranks of data-parallel attention, EP: ranks that share whole experts.
- **context**: in tokens, the checkpoint's own where the source does not say.
- **planner**: the place among its layouts, [ranked](layouts.md) by predicted tokens/s with every
  GPU used; the replicas on all the nodes, and the tokens of KV cache of one. Others choose for
  other ends (few GPUs, one request at a time), so a recipe need not come first. FP8 at TP 8 without
  expert parallelism its source refuses, too; TP over two nodes is refused by a rule of the
  planner's own: vLLM would run it, with two all-reduces a layer over the network.

| Source | Model | Precision | Nodes | Context | Cut | Planner |
|---|---|---|---|---|---|---|
"""


def demand_of(recipe: Recipe) -> Demand:
    return Demand(
        CATALOG[ModelName(recipe.model)],
        Precision(recipe.precision),
        Nodes(kind(recipe.kind), recipe.per_node, recipe.nodes),
        recipe.context,
    )


def page() -> str:
    refused = sum(bool(recipe.refused) for recipe in RECIPES)
    head = HEAD.format(offered=len(RECIPES) - refused, refused=refused)
    return head + "".join(f"| {' | '.join(_cells(recipe))} |\n" for recipe in RECIPES)


def _cells(recipe: Recipe) -> Iterator[str]:
    demand = demand_of(recipe)
    yield f"[{_title(recipe.source)}]({recipe.source})"
    yield recipe.model
    yield recipe.precision
    yield f"{recipe.nodes} x {recipe.per_node} {recipe.kind}"
    yield f"{demand.asked_context:,}"
    yield sizes_words(recipe.sizes)
    yield _said(recipe, demand)


def _said(recipe: Recipe, demand: Demand) -> str:
    layouts = plan(demand).layouts
    for place, layout in enumerate(layouts, start=1):
        if layout.sizes == recipe.sizes:
            replicas = f"{layout.replicas} replica{'s' if layout.replicas > 1 else ''}"
            return f"{place} of {len(layouts)}: {replicas}, {layout.kv_tokens:,} tokens"
    why = refusals(demand.model, demand.precision, recipe.sizes, demand.nodes)
    return f"refused: {'; '.join(why)}"


def _title(source: str) -> str:
    """Who says so, and in which document."""
    parts = source.removeprefix("https://").strip("/").split("/")
    owner = f"{parts[1]}/{parts[2]}" if parts[0] == "github.com" else parts[0]
    return f"{owner}: {parts[-1]}"


if __name__ == "__main__":
    print(page(), end="")
