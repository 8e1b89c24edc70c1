"""Muon for many matrices at once: the same steps as torch's, for all of one shape together.

A pocket model with experts has over a hundred small matrices; one by one, turning them takes
longer than the products themselves. A test compares it with `torch.optim.Muon`.
"""

# mypy: allow-subclassing-any
# torch is not followed by the type check, so its Optimizer is Any there.

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# Keller Jordan's quintic, which brings every singular value near one within a few rounds.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Momentum of Nesterov's kind, made orthogonal; weights decay apart from it."""

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        alike: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            alike.setdefault(matrix.shape, []).append(matrix)
        groups = [{"params": group} for group in alike.values()]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    def step(self, closure: Any = None) -> None:
        """One step for every matrix; each must have a gradient."""
        with torch.no_grad():
            for group in self.param_groups:
                self._turn(group)

    def _turn(self, group: dict[str, Any]) -> None:
        weights: list[Tensor] = group["params"]
        grads = torch.stack([weight.grad for weight in weights])
        state = self.state[weights[0]]
        if not state:
            state["momentum"] = torch.zeros_like(grads)
        trend: Tensor = state["momentum"].lerp_(grads, 1 - group["momentum"])
        turned = orthogonal(grads.lerp_(trend, group["momentum"]))
        rows, columns = turned.shape[-2:]
        turned *= -group["lr"] * max(1.0, rows / columns) ** 0.5
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(turned.unbind()))


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrix of each, roughly, by Newton and Schulz's rounds."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    first, second, third = QUINTIC
    for _ in range(ROUNDS):
        square = x @ x.mT
        mixed = torch.baddbmm(square, square, square, beta=second, alpha=third)
        x = torch.baddbmm(x, mixed, x, beta=first)
    return (x.mT if tall else x).float()
