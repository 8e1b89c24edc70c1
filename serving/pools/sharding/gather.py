"""Data-parallel attention: on a CPU ranks cannot exchange batches of unequal length.

The experts of a layer see the tokens of all data-parallel ranks, of which each has another number.
vLLM's communicator for the CPU lacks the two operations for it, `all_gatherv` and
`reduce_scatterv`, and ends in a bare NotImplementedError. Here they are written with those that
gloo has.

For vLLM 0.29.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

import torch

MODULE: Final = "vllm.distributed.device_communicators.cpu_communicator"


def repair(module: ModuleType) -> None:
    communicator = module.CpuCommunicator
    communicator.all_gatherv = all_gatherv
    communicator.reduce_scatterv = reduce_scatterv


def all_gatherv(self: Any, input_: Any, dim: int = 0, sizes: Sequence[int] | None = None) -> Any:
    """A tensor, or a list of them, of all ranks one after the other; `sizes[rank]` is how many
    rows (`dim` 0) that rank has. Gloo wants equal lengths, so they travel padded."""
    if isinstance(input_, list):
        return [all_gatherv(self, each, dim, sizes) for each in input_]
    sizes = _rows(self, input_, dim, sizes)
    padded = input_.new_zeros((max(sizes), *input_.shape[1:]))
    padded[: input_.shape[0]] = input_
    gathered = [torch.empty_like(padded) for _ in sizes]
    torch.distributed.all_gather(gathered, padded, group=self.device_group)
    return torch.cat([each[:rows] for each, rows in zip(gathered, sizes, strict=True)])


def reduce_scatterv(
    self: Any, input_: Any, dim: int = 0, sizes: Sequence[int] | None = None
) -> Any:
    """The sum over all ranks, of which each keeps its own rows."""
    total = input_.clone()
    torch.distributed.all_reduce(total, group=self.device_group)
    sizes = sizes or [total.shape[0] // self.world_size] * self.world_size
    if dim != 0 or sum(sizes) != total.shape[0]:
        raise ValueError(f"dim {dim}, sizes {sizes} of {tuple(total.shape)}: not rows of all ranks")
    first = sum(sizes[: self.rank_in_group])
    return total[first : first + sizes[self.rank_in_group]].contiguous()


def _rows(self: Any, input_: Any, dim: int, sizes: Sequence[int] | None) -> Sequence[int]:
    sizes = sizes or [input_.shape[0]] * self.world_size
    if dim != 0 or sizes[self.rank_in_group] != input_.shape[0]:
        raise ValueError(f"dim {dim}, sizes {sizes} of {tuple(input_.shape)}: not its own rows")
    return sizes
