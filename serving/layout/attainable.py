"""What kernels and links attain of a datasheet's figures, each with where the number is from.

None was measured here: they are others' measurements, or assumed where it says so. A GPU's own
numbers come from `python -m ops.bench.shards`.
"""

from typing import Final

from serving.layout.gpus import GpuKind
from serving.layout.values import Demand, Precision, Sizes

MEMORY: Final = 0.92
"""Share of the memory's bandwidth: large pointwise kernels on H100 (pytorch/ao,
torchao/testing/training/roofline_utils.py, `pct_achievable_mem_bw`)."""
GEMM: Final = 0.78
"""Share of the dense FLOPs: large matrix products on H100 (ibid., `pct_achievable_gemm_tops`)."""
ATTENTION: Final = 0.60
"""Share of the bf16 FLOPs: FlashAttention-3 forward, causal, head size 128, 16k tokens, about 600
of H100's 989 TFLOPs (arXiv:2407.08608, figure 5); FlashAttention-2 on A100 about the same share."""
EXPERTS_MEMORY: Final = 0.85
EXPERTS_LATENCY_S: Final = 30e-6
"""Fused experts of Qwen3-30B-A3B in FP8: 40, 119, 165 and 237 us at 1, 8, 16 and 64 tokens
(vllm-project/vllm, pull request 24700) are 30 us and the touched experts' bytes at 0.85 of
3.35 TB/s. That its GPU was an H100 is assumed."""
EXPERTS_GEMM: Final = 0.50
"""Share of the dense FLOPs: assumed. DeepGEMM's grouped products reach 0.65 on H800 in their best
shape (deepseek-ai/DeepGEMM, README), with equal groups; a batch's are not."""
KERNEL_S: Final = 2e-6
"""The least time of a kernel (pytorch/ao, ibid., `KERNEL_LAUNCH_OVERHEAD_SEC`)."""
KERNELS: Final = 9
"""Of a layer beside the experts, whose bytes are not counted or nothing: two norms, projections in
and out, norm and rotation of queries and keys, cache write, attention and its merge, FFN or router.
Counted in vLLM's models/qwen3.py, fused as torch.compile does."""
STEP_S: Final = 2e-3
"""Scheduling, sampling, and the answer to the front end, per step. Left of 4.6 ms a token of
Qwen3-1.7B on A100 without weights and kernels (tenstorrent/tt-inference-server, issue 340, vLLM
0.9 of June 2025); later releases hide some of it."""
FP32_SHARE: Final = 1 / 16
"""Of the bf16 FLOPs: 19.5 of 312 TFLOPs on A100, 67 of 989 on H100 (NVIDIA's datasheets)."""

LINK: Final = 0.82
"""Share of NVLink: NCCL's 370 of 450 GB/s on H100 (NVIDIA/nccl-tests, issue 212). Assumed for PCIe
and the network."""
NVLINK_LATENCY_S: Final = 6e-6
"""A small all-reduce over 8 H100: 5.7 us (sgl-project/sglang, pull request 2904)."""
PCIE_LATENCY_S: Final = 20e-6
"""Assumed: NCCL's small messages between GPUs without peer access take 15 to 30 us."""
NETWORK_LATENCY_S: Final = 25e-6
"""Assumed: NCCL over InfiniBand with GPUDirect, small messages between two nodes."""
_NETWORK: Final = {(10, 0): 50e9, (9, 0): 50e9, (8, 0): 25e9}
_SLOW_NETWORK: Final = 12.5e9
"""Bytes a second of one GPU one way: 400 Gb/s in DGX H100, H200 and B200, 200 Gb/s in DGX A100
(NVIDIA's DGX datasheets); for the others 100 Gb/s is assumed. A slower network makes every layout
across nodes slower than is predicted."""


TABLE: Final = (
    ("memory bandwidth", f"{MEMORY:.0%}", "pytorch/ao, roofline_utils.py (H100)"),
    ("matrix products", f"{GEMM:.0%} of the dense FLOPs", "pytorch/ao, roofline_utils.py (H100)"),
    ("attention", f"{ATTENTION:.0%} of the bf16 FLOPs", "FlashAttention-3, arXiv:2407.08608"),
    (
        "experts",
        f"{EXPERTS_MEMORY:.0%} of the bandwidth and {EXPERTS_LATENCY_S * 1e6:.0f} us a layer",
        "vllm-project/vllm, pull request 24700; that its GPU was an H100 is assumed",
    ),
    ("experts", f"{EXPERTS_GEMM:.0%} of the dense FLOPs", "assumed (DeepGEMM's best is 65 %)"),
    ("routing", "uniform and independent; the fullest rank by Poisson's spread", "assumed"),
    ("small kernels", f"{KERNELS} of {KERNEL_S * 1e6:.0f} us a layer", "pytorch/ao; counted"),
    (
        "scheduling and sampling",
        f"{STEP_S * 1e3:.0f} ms a step",
        "tenstorrent/tt-inference-server, issue 340 (A100, vLLM 0.9)",
    ),
    (
        "links",
        f"{LINK:.0%} of NVLink; the same of PCIe and network",
        "NVIDIA/nccl-tests, issue 212; assumed",
    ),
    (
        "small messages",
        f"{NVLINK_LATENCY_S * 1e6:.0f} us over NVLink, {PCIE_LATENCY_S * 1e6:.0f} over PCIe,"
        f" {NETWORK_LATENCY_S * 1e6:.0f} over the network",
        "sgl-project/sglang, pull request 2904; assumed; assumed",
    ),
    (
        "network of a GPU, one way",
        "400 Gb/s (H100, H200, B200), 200 Gb/s (A100), else 100 Gb/s",
        "NVIDIA's DGX datasheets; assumed",
    ),
)
"""What, number, and where from: for a person."""


def bandwidth(kind: GpuKind) -> float:
    """Of memory, bytes a second."""
    return MEMORY * kind.bandwidth


def gemm_flops(kind: GpuKind, precision: Precision) -> float:
    """Dense FLOPs a second that weights of the precision are multiplied at, before efficiency.
    Four-bit weights, and FP8 where the GPU has none, are computed in 16 bits."""
    match precision:
        case Precision.FP8:
            return kind.flops_fp8 or kind.flops_bf16
        case Precision.FP32:
            return kind.flops_bf16 * FP32_SHARE
        case _:
            return kind.flops_bf16


def network(kind: GpuKind) -> float:
    """Bytes a second of one GPU to another node, one way, before efficiency."""
    return _NETWORK.get(kind.capability, _SLOW_NETWORK)


def sources(demand: Demand, sizes: Sizes) -> tuple[str, ...]:
    """Of the numbers that count in a layout's estimate."""
    kind = demand.nodes.kind
    said = [
        "predicted by a roofline, not measured",
        f"{kind.name}: {kind.source}",
        f"memory {MEMORY:.0%} and matrix products {GEMM:.0%} of the"
        " datasheet: pytorch/ao, roofline_utils.py",
        f"attention {ATTENTION:.0%} of the bf16 FLOPs: arXiv:2407.08608",
    ]
    if demand.model.is_moe:
        said.append(
            f"experts {EXPERTS_MEMORY:.0%} of the memory's bandwidth and"
            f" {EXPERTS_LATENCY_S * 1e6:.0f} us: vllm-project/vllm, pull request 24700;"
            f" {EXPERTS_GEMM:.0%} of the FLOPs, uniform routing: assumed"
        )
    if sizes.tensor > 1 or sizes.data > 1:
        said.append(f"links {LINK:.0%}: NVIDIA/nccl-tests, issue 212")
    if sizes.gpus > demand.nodes.per_node:
        said.append(
            f"network {network(kind) * 8 / 1e9:.0f} Gb/s a GPU,"
            f" {NETWORK_LATENCY_S * 1e6:.0f} us: assumed"
        )
    said.append(f"{STEP_S * 1e3:.0f} ms a step: tenstorrent/tt-inference-server, 340")
    return tuple(said)
