"""Derivatives by hand against those that torch finds by itself."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from deploy.pocket.kernels import ROWS, Product, Reordered, RmsNorm, Rotated  # noqa: E402
from deploy.pocket.muon import Muon  # noqa: E402

pytestmark = pytest.mark.engine

ORDER = torch.randperm(12, generator=torch.Generator().manual_seed(0))
COS, SIN = torch.rand(12, 1, 4).repeat(1, 1, 2), torch.rand(12, 1, 4)
SIGNED = torch.cat([-SIN, SIN], -1)


def _turned(x):
    left, right = x.chunk(2, -1)
    return x * COS + torch.cat([-right, left], -1) * SIN.repeat(1, 1, 2)


PAIRS: dict[str, tuple[Callable, Callable, list[tuple[int, ...]]]] = {
    "product": (Product.apply, lambda x, w: x @ w.T, [(ROWS + 5, 8), (6, 8)]),
    "even product": (Product.apply, lambda x, w: x @ w.T, [(ROWS, 8), (6, 8)]),
    "reordered": (
        lambda x: Reordered.apply(x, ORDER, ORDER.argsort()),
        lambda x: x[ORDER],
        [(12, 3)],
    ),
    "norm": (
        lambda x, w: RmsNorm.apply(x, w, 1e-6),
        lambda x, w: torch.nn.functional.rms_norm(x, (8,), w, 1e-6),
        [(12, 8), (8,)],
    ),
    "a norm a head": (
        lambda x, w: RmsNorm.apply(x, w, 1e-6),
        lambda x, w: torch.nn.functional.rms_norm(x, (8,), None, 1e-6) * w,
        [(12, 3, 8), (3, 8)],
    ),
    "rotated": (lambda x: Rotated.apply(x, COS, SIGNED), _turned, [(12, 3, 8)]),
}


@pytest.mark.parametrize(("ours", "theirs", "sizes"), PAIRS.values(), ids=PAIRS)
def test_values_and_gradients_equal_torchs(ours, theirs, sizes):
    torch.manual_seed(1)
    given = [torch.randn(size, requires_grad=True) for size in sizes]
    made, wanted = ours(*given), theirs(*given)
    torch.testing.assert_close(made, wanted)
    grad = torch.randn_like(made)
    torch.testing.assert_close(
        torch.autograd.grad(made, given, grad), torch.autograd.grad(wanted, given, grad)
    )


def test_muon_takes_the_steps_that_torchs_takes():
    torch.manual_seed(2)
    sizes = [(16, 16), (8, 16), (16, 8), (16, 16)]
    ours = [torch.randn(size, requires_grad=True) for size in sizes]
    theirs = [weight.detach().clone().requires_grad_() for weight in ours]
    muon = Muon(ours, lr=0.02, weight_decay=0.01)
    torchs = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.01)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        muon.step()
        torchs.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
