"""Formulas with their derivatives by hand, where torch's own take several times as long on a CPU.

Fewer passes over memory, products in shapes that the library knows already, and no search for the
rows that a gradient goes back to. What is computed is the textbook's; a test compares each with
what torch derives by itself.
"""

# mypy: allow-subclassing-any
# torch is not followed by the type check, so its Function is Any there.

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

# Products are of so many rows, or twice, three times ... as many.
ROWS = 64


class Product(Function):
    """A linear map, in the type that `x` has.

    In bfloat16 torch has a new routine made for every shape it meets, which takes longer than the
    product itself: so a few rows of zeros are added, and the same shapes come again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        rows = len(x)
        x, weight = _even(x), weight.to(x.dtype)
        ctx.save_for_backward(x, weight)
        return (x @ weight.T)[:rows]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = len(grad)
        grad = _even(grad)
        return (grad @ weight)[:rows], (grad.T @ x).float()


class Reordered(Function):
    """Rows in another order; `back` is the order that undoes it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x[order]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return grad[back], None, None


class RmsNorm(Function):
    """`x / rms(x) * weight` over the last dimension; one weight for all, or one a head."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = (length.square_() / x.shape[-1] + eps).rsqrt_()
        even = x * scale
        ctx.save_for_backward(even, scale, weight)
        return even * weight

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        even, scale, weight = ctx.saved_tensors
        both = grad * even
        for_weight = both.flatten(0, -1 - weight.dim()).sum(0)
        along = both.mul_(weight).mean(-1, keepdim=True)
        return torch.addcmul(grad * weight, even, along, value=-1).mul_(scale), for_weight, None


class Rotated(Function):
    """Rotary places: each half of a head turned into the other, `sin` negative in the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # Turned back by the same angle.
        cos, sin = ctx.saved_tensors
        turned = grad.roll(grad.shape[-1] // 2, -1)
        return torch.addcmul(grad * cos, turned, sin, value=-1), None, None


def _even(x: Tensor) -> Tensor:
    """With rows of zeros up to a multiple of `ROWS`."""
    more = -len(x) % ROWS
    return torch.cat([x, x.new_zeros(more, x.shape[1])]) if more else x
