"""How each pocket model is built and for how long it is trained: numbers only.

The sizes keep both models within a few megabytes and let TP=2 and EP=2 divide them; the steps
fit half an hour for both together, one core each.
"""

from dataclasses import dataclass

from deploy.pocket.problems import DENSE, MOE, Mix
from deploy.pocket.shape import Shape
from deploy.pocket.tokenizer import SIZE


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model's shape, its diet and its schedule."""

    shape: Shape
    mix: Mix
    steps: int
    batch: int = 42
    # Muon turns whole matrices, AdamW the embedding, the norms and the router.
    muon_lr: float = 0.02
    adam_lr: float = 5e-3
    warmup: int = 40
    # The finished model's logits are scaled by this, as a lower temperature would.
    sharpness: float = 4.0


RECIPES: dict[str, Recipe] = {
    "pocket-dense": Recipe(Shape(SIZE, 128, 4, 4, 2, 32, 256), DENSE, steps=4000),
    "pocket-moe": Recipe(Shape(SIZE, 128, 4, 4, 2, 32, 128, num_experts=8), MOE, steps=4200),
}
