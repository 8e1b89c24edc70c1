"""What others publish about serving the 235B and the 30B: entered first, then held against plans.

A row is a command or a configuration with its source: model, precision, hardware, context, sizes.
`refused` names the words that the planner's refusal must hold where the planner disagrees or where
the source itself says that it does not run.
"""

from dataclasses import dataclass

from serving.layout.values import Sizes

LAB = "https://github.com/gpustack/gpustack/blob/main/docs/performance-lab/qwen3-235b-a22b"
VLLM = "https://github.com/vllm-project/recipes/blob/main"
RECIPE = f"{VLLM}/models/Qwen/Qwen3-235B-A22B-Instruct-2507.yaml"
DYNAMO = "https://github.com/ai-dynamo/dynamo/blob/main/recipes/qwen3-235b-a22b-fp8/README.md"
CI = "https://github.com/vllm-project/vllm/blob/main/.buildkite/scripts/scheduled_integration_test"
BIG, RENEWED, SMALL = "qwen3-235b-a22b", "qwen3-235b-a22b-instruct-2507", "qwen3-30b-a3b"


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    source: str
    model: str
    precision: str
    kind: str
    per_node: int
    sizes: Sizes
    nodes: int = 1
    context: int | None = None
    """None: the command does not say, so it is the checkpoint's own."""
    refused: str | None = None


RECIPES = (
    # Benchmarked by GPUStack, vLLM 0.11, contexts of 262,144 (no --max-model-len).
    Recipe("h100-bf16-tp8", f"{LAB}/h100.md", RENEWED, "bf16", "h100-80g", 8, Sizes(tensor=8)),
    Recipe(
        "h100-fp8-tp8-ep",
        f"{LAB}/h100.md",
        RENEWED,
        "fp8",
        "h100-80g",
        8,
        Sizes(tensor=8, expert=True),
    ),
    Recipe("h100-fp8-tp4", f"{LAB}/h100.md", RENEWED, "fp8", "h100-80g", 8, Sizes(tensor=4)),
    Recipe(
        "h100-fp8-tp4-ep",
        f"{LAB}/h100.md",
        RENEWED,
        "fp8",
        "h100-80g",
        8,
        Sizes(tensor=4, expert=True),
    ),
    Recipe(
        "h100-fp8-tp8-without-ep",
        f"{LAB}/h100.md",  # "TP8 only is not compatible with the model weight. Use EP as well."
        RENEWED,
        "fp8",
        "h100-80g",
        8,
        Sizes(tensor=8),
        refused="1536 columns of an expert / 8 ranks = 192",
    ),
    Recipe("a100-bf16-tp8", f"{LAB}/a100.md", RENEWED, "bf16", "a100-80g", 8, Sizes(tensor=8)),
    Recipe("a100-fp8-tp4", f"{LAB}/a100.md", RENEWED, "fp8", "a100-80g", 8, Sizes(tensor=4)),
    Recipe(
        "a100-fp8-tp4-ep",
        f"{LAB}/a100.md",
        RENEWED,
        "fp8",
        "a100-80g",
        8,
        Sizes(tensor=4, expert=True),
    ),
    Recipe(
        "a100-fp8-tp8-ep",
        f"{LAB}/a100.md",
        RENEWED,
        "fp8",
        "a100-80g",
        8,
        Sizes(tensor=8, expert=True),
    ),
    # vLLM's recipe: "requires 4x H200", FP8 `tp: 4`, and its compatible_strategies.
    Recipe("h200-bf16-tp4", RECIPE, RENEWED, "bf16", "h200-141g", 4, Sizes(tensor=4)),
    Recipe("h200-fp8-tp4", RECIPE, RENEWED, "fp8", "h200-141g", 4, Sizes(tensor=4)),
    Recipe(
        "h200-bf16-tep",
        f"{VLLM}/strategies/single_node_tep.yaml",
        RENEWED,
        "bf16",
        "h200-141g",
        8,
        Sizes(tensor=8, expert=True),
    ),
    Recipe(
        "h200-bf16-dep",
        f"{VLLM}/strategies/single_node_dep.yaml",
        RENEWED,
        "bf16",
        "h200-141g",
        8,
        Sizes(data=8, expert=True),
        context=32_768,
    ),
    Recipe(
        "h200-bf16-two-nodes-tp-pp",
        f"{VLLM}/strategies/multi_node_tp_pp.yaml",
        RENEWED,
        "bf16",
        "h200-141g",
        8,
        Sizes(tensor=8, pipeline=2),
        nodes=2,
    ),
    Recipe(
        "h200-fp8-two-nodes-dep",
        f"{VLLM}/strategies/multi_node_dep.yaml",  # "TEP over its local GPUs, DP across nodes"
        RENEWED,
        "fp8",
        "h200-141g",
        8,
        Sizes(tensor=8, data=2, expert=True),
        nodes=2,
    ),
    Recipe(
        "h200-bf16-two-nodes-tp16",
        f"{VLLM}/strategies/multi_node_tp.yaml",
        RENEWED,
        "bf16",
        "h200-141g",
        8,
        Sizes(tensor=16),
        nodes=2,
        refused="TP 16 is more than the 8 GPUs of a node",
    ),
    # NVIDIA Dynamo: 16 GPUs, four workers of TP4 x EP4; TensorRT-LLM, the same shards.
    Recipe(
        "h100-fp8-two-nodes-tp4-ep4",
        DYNAMO,
        BIG,
        "fp8",
        "h100-80g",
        8,
        Sizes(tensor=4, expert=True),
        nodes=2,
    ),
    Recipe(
        "b200-fp8-two-nodes-tp4-ep4",
        DYNAMO,
        BIG,
        "fp8",
        "b200-180g",
        8,
        Sizes(tensor=4, expert=True),
        nodes=2,
    ),
    # vLLM's continuous integration, "Qwen3-30B-A3B-FP8-block Accuracy (H100)", and its Ampere note.
    Recipe(
        "h100-30b-fp8-tp2-dp2-ep",
        f"{CI}/qwen30b_a3b_fp8_block_ep_eplb.sh",
        SMALL,
        "fp8",
        "h100-80g",
        4,
        Sizes(tensor=2, data=2, expert=True),
        context=2048,
    ),
    Recipe(
        "h100-30b-fp8-dp4-ep",
        f"{CI}/qwen30b_a3b_fp8_dp4_async_eplb.sh",
        SMALL,
        "fp8",
        "h100-80g",
        4,
        Sizes(data=4, expert=True),
        context=2048,
    ),
    Recipe(
        "l4-30b-fp8-tp8-ep",
        f"{VLLM}/Qwen/Qwen3FP8_SageMaker.md",  # ml.g6.48xlarge: 8 x L4
        "qwen3-30b-a3b-instruct-2507",
        "fp8",
        "l4-24g",
        8,
        Sizes(tensor=8, expert=True),
        context=4096,
    ),
    Recipe(
        "h100-30b-bf16-tp4-ep",
        "https://flytomelight.github.io/llm-cal/zh/models/qwen-qwen3-30b-a3b-h100/",
        SMALL,
        "bf16",
        "h100-80g",
        4,
        Sizes(tensor=4, expert=True),
        context=40_960,
    ),
    # GPUStack again: one A100 needs `--max-model-len 32768` for the 32B, and its own 40,960 is out.
    Recipe(
        "a100-32b-bf16",
        "https://github.com/gpustack/gpustack/blob/main/docs/performance-lab/qwen3-32b/a100.md",
        "qwen3-32b",
        "bf16",
        "a100-80g",
        1,
        Sizes(),
        context=32_768,
    ),
)
