"""The GPUs that a layout can be planned for, as numbers.

Speeds are of NVIDIA's datasheets: FLOPs dense (the sheets' large print is with sparsity, twice as
much), links in one direction (the sheets add both up). What a kernel attains of them says
`roofline`. Memory is not the sheet's round figure but what CUDA reports to a process
(`torch.cuda.get_device_properties(0).total_memory`, the least that was seen among drivers): it is
this that an engine takes its share of, and on the L4 and L40S it is less than the name promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class GpuKind:
    """One model of GPU as servers have it: SXM where there is NVLink, else PCIe."""

    name: str
    memory: int
    """Bytes."""
    bandwidth: float
    """Of the memory, bytes a second."""
    flops_bf16: float
    """A second, dense, by the tensor cores."""
    flops_fp8: float
    """The same; 0.0 where the tensor cores have no FP8 (before compute capability 8.9)."""
    link: float
    """To the other GPUs of its node, bytes a second in one direction."""
    nvlink: bool
    """All GPUs of a node reach each other through NVSwitch; otherwise through PCIe."""
    capability: tuple[int, int]
    """CUDA's compute capability."""
    source: str
    """Of the speeds."""


class UnknownGpu(ValueError):
    """Lists the kinds there are."""


def kind(name: str) -> GpuKind:
    """By name, `<model>-<GB>g`. UnknownGpu if there is none of that name."""
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownGpu(f"GPU kind: found {name!r}; allowed: {', '.join(KINDS)}") from None


def _kind(
    name: str,
    gib: float,
    tb_s: float,
    tflops: tuple[float, float],
    link_gb_s: float,
    capability: tuple[int, int],
    source: str,
    *,
    nvlink: bool = True,
) -> GpuKind:
    """One row in the sheets' units; `tflops` is of bf16 and FP8."""
    bf16, fp8 = (each * 1e12 for each in tflops)
    memory = int(gib * 2**30)
    link = link_gb_s * 1e9
    return GpuKind(name, memory, tb_s * 1e12, bf16, fp8, link, nvlink, capability, source)


_ROWS: Final = (
    # name, GiB, TB/s, TFLOPs (bf16, FP8), link GB/s one way, capability, source
    # PCIe Gen4 x16 is 64 GB/s both ways; NVLink 600, 900, 900 and 1,800 GB/s both ways.
    _kind("l4-24g", 22.03, 0.300, (121, 242.5), 32, (8, 9), "NVIDIA L4 datasheet", nvlink=False),
    _kind("l40s-48g", 44.39, 0.864, (362, 733), 32, (8, 9), "NVIDIA L40S datasheet", nvlink=False),
    _kind("a100-40g", 39.39, 1.555, (312, 0), 300, (8, 0), "NVIDIA A100 datasheet, SXM4"),
    _kind("a100-80g", 79.14, 2.039, (312, 0), 300, (8, 0), "NVIDIA A100 datasheet, SXM4"),
    _kind("h100-80g", 79.10, 3.35, (989, 1979), 450, (9, 0), "NVIDIA H100 datasheet, SXM5"),
    _kind("h200-141g", 139.72, 4.8, (989, 1979), 450, (9, 0), "NVIDIA H200 datasheet, SXM5"),
    # 7.7: a bus of 7,680 bits at 3,996 MHz, as the driver reports it; early sheets print 8.
    _kind("b200-180g", 178.35, 7.7, (2250, 4500), 900, (10, 0), "NVIDIA HGX B200 datasheet"),
)

KINDS: Final[Mapping[str, GpuKind]] = {row.name: row for row in _ROWS}
"""By name."""
