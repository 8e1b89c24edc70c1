"""The table of GPUs says what NVIDIA's datasheets say, in the units that the planner takes."""

import pytest

from serving.layout.gpus import KINDS, GpuKind, UnknownGpu, kind


def test_the_kinds_are_those_that_a_cluster_file_may_name() -> None:
    assert list(KINDS) == [
        "l4-24g",
        "l40s-48g",
        "a100-40g",
        "a100-80g",
        "h100-80g",
        "h200-141g",
        "b200-180g",
    ]


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownGpu, match=r"'h100'.*l4-24g.*h100-80g.*b200-180g"):
        kind("h100")


@pytest.mark.parametrize("gpu", KINDS.values(), ids=list(KINDS))
def test_memory_is_near_what_the_name_says(gpu: GpuKind) -> None:
    gigabytes = int(gpu.name.rpartition("-")[2].removesuffix("g"))
    # From ECC kept in the memory itself (L4, L40S) to gigabytes that are really gibibytes.
    assert 0.98 * gigabytes * 10**9 < gpu.memory < gigabytes * 2**30


@pytest.mark.parametrize("gpu", KINDS.values(), ids=list(KINDS))
def test_fp8_comes_with_capability_8_9_and_doubles_the_dense_flops(gpu: GpuKind) -> None:
    if gpu.capability < (8, 9):
        assert gpu.flops_fp8 == 0.0
    else:
        assert gpu.flops_fp8 == pytest.approx(2 * gpu.flops_bf16, rel=0.02)


def test_the_row_of_the_h100_is_its_datasheet_without_sparsity_and_one_way() -> None:
    h100 = kind("h100-80g")
    assert h100.bandwidth == 3.35e12
    assert h100.flops_bf16 == 989e12  # printed: 1,979 with sparsity
    assert h100.flops_fp8 == 1979e12  # printed: 3,958 with sparsity
    assert h100.link == 450e9  # printed: 900 both ways
    assert h100.capability == (9, 0)


@pytest.mark.parametrize("gpu", KINDS.values(), ids=list(KINDS))
def test_nvlink_is_faster_than_pcie_and_every_row_names_its_source(gpu: GpuKind) -> None:
    assert (gpu.link > 32e9) is gpu.nvlink
    assert gpu.source.startswith("NVIDIA")
