"""`docs/layouts.md`: the eight models on 1, 2 and 4 nodes of eight H100.

python -m deploy.plan.document > docs/layouts.md
"""

from collections.abc import Iterator
from typing import Final

from deploy.plan.picture import picture
from deploy.plan.tables import GIB, LINES
from serving.catalog import CATALOG, ModelFacts, Modes
from serving.layout import Demand, Layout, Nodes, Plan, Precision, attainable, plan
from serving.layout.gpus import KINDS, kind
from serving.layout.words import sizes_words

GPU: Final = "h100-80g"
PER_NODE: Final = 8
NODES: Final = (1, 2, 4)
PRECISIONS: Final = (Precision.BF16, Precision.FP8)
MODELS: Final[tuple[ModelFacts, ...]] = tuple(
    facts
    for facts in CATALOG.values()
    if facts.hf_id.startswith("Qwen/") and facts.modes is Modes.HYBRID
)
PROOFS: Final = ((Precision.FP8, 1), (Precision.BF16, 2))
"""Of the largest model: how Qwen serves it on one node, and what two are needed for."""

HEAD: Final = """# Layouts

<!-- Made by `python -m deploy.plan.document`; edit what it is made from. -->

`bifocal plan` cuts a model over GPUs and proves that it fits. These are its first choices for the
eight models on 1, 2 and 4 nodes of 8 x H100; `bifocal plan --model NAME --precision fp8 --gpu
h100-80g --nodes N` shows the others, the proof and the picture of each. [Recipes of
others](recipes.md) has what vLLM's makers and others publish, beside what the planner makes of it.

## How to read it

- **layout**: how one replica is cut. TP: tensor-parallel ranks, which share each matrix and stay on
  one node. PP: pipeline stages, which share the layers. DP: ranks of data-parallel attention, each
  with its own requests and KV cache. EP: ranks that share whole experts instead of cutting each; it
  spans TP x DP. A replica takes TP x PP x DP GPUs.
- **weights**: of the fullest GPU, in GiB. **KV tokens**, **requests**: what one replica's cache
  holds, in tokens and in requests of the whole context ({context:,} tokens).
- **prefill**: of one prompt of 8,192 tokens, to its first token. **decode**: one step with as many
  requests as fit, all at the full context, so the slowest step there is; shorter ones are faster.
  **tokens/s**: of all replicas, in such steps. **waits for**: what most of a step goes to.
- Everything beside the memory is **predicted by a roofline and not measured**: it ranks layouts and
  says what limits them. {measure}

Layouts are ranked by predicted tokens/s of all the nodes at full contexts, those within 2 % by
simplicity. With short answers and few requests at once, fewer GPUs a replica are as good.

## What the predictions assume

| What | Number | From |
|---|---|---|
{assumed}

## GPUs

Memory is what CUDA reports, in GiB; speeds are of the datasheets, dense FLOPs, links in one
direction.

| GPU | memory | TB/s | bf16 TFLOPs | FP8 TFLOPs | link GB/s | capability | from |
|---|---|---|---|---|---|---|---|
{gpus}
"""
MEASURE: Final = """`python -m ops.bench.shards --gpu h100-80g` measures the same
  shards on a GPU and puts prediction beside measurement."""


def page() -> str:
    context = MODELS[0].context
    assumed, gpus = "\n".join(_assumed()), "\n".join(_gpus())
    parts = [HEAD.format(context=context, measure=MEASURE, assumed=assumed, gpus=gpus)]
    for nodes in NODES:
        parts.append(f"## {_machines(nodes)}\n\n" + "\n".join(_rows(nodes)) + "\n")
    parts += [_proof(precision, nodes) for precision, nodes in PROOFS]
    return "\n".join(parts)


def _demand(model: ModelFacts, precision: Precision, nodes: int) -> Demand:
    return Demand(model, precision, Nodes(kind(GPU), PER_NODE, nodes))


def _machines(nodes: int) -> str:
    return f"{nodes} node{'s' if nodes > 1 else ''} of {PER_NODE} x {GPU}"


def _rows(nodes: int) -> Iterator[str]:
    yield (
        "| model | precision | layout | replicas | weights | KV tokens | requests | prefill ms"
        " | decode ms | tokens/s | waits for |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for model in MODELS:
        for precision in PRECISIONS:
            yield _row(model, precision, plan(_demand(model, precision, nodes)))


def _row(model: ModelFacts, precision: Precision, found: Plan) -> str:
    cells = _cells(found.layouts[0]) if found.layouts else (f"does not fit: {found.why}", *[""] * 8)
    return f"| {model.name} | {precision.value} | " + " | ".join(cells) + " |"


def _cells(best: Layout) -> tuple[str, ...]:
    weights = best.memory.weights_dense + best.memory.weights_expert
    estimate = best.estimate
    return (
        sizes_words(best.sizes),
        str(best.replicas),
        f"{weights / GIB:.1f}",
        f"{best.kv_tokens:,}",
        str(best.requests),
        f"{estimate.prefill_s * 1e3:,.0f}",
        f"{estimate.decode_s * 1e3:.1f}",
        f"{estimate.tokens_per_s:,.0f}",
        estimate.limited_by,
    )


def _proof(precision: Precision, nodes: int) -> str:
    demand = _demand(MODELS[-1], precision, nodes)
    best = plan(demand).layouts[0]
    total = demand.nodes.kind.memory
    lines = {LINES[name]: size for name, size in best.memory.lines().items()}
    rows = [f"| {name} | {size:,} | {size / GIB:.2f} |" for name, size in lines.items()]
    used = best.memory.used
    return "\n".join(
        [
            f"## {demand.model.name} in {precision.value} on {_machines(nodes)}\n",
            f"{sizes_words(best.sizes)}. Of one GPU, the fullest:\n",
            "| line | bytes | GiB |",
            "|---|---|---|",
            *rows,
            f"| **used** | {used:,} | {used / GIB:.2f} |",
            f"| of the GPU's | {total:,} | {total / GIB:.2f} |",
            f"\n```\n{picture(demand, best)}\n```\n",
        ]
    )


def _assumed() -> Iterator[str]:
    for what, number, source in attainable.TABLE:
        yield f"| {what} | {number} | {source} |"


def _gpus() -> Iterator[str]:
    for gpu in KINDS.values():
        fp8 = f"{gpu.flops_fp8 / 1e12:,.0f}" if gpu.flops_fp8 else "none"
        link = f"{gpu.link / 1e9:.0f} {'NVLink' if gpu.nvlink else 'PCIe'}"
        major, minor = gpu.capability
        yield (
            f"| {gpu.name} | {gpu.memory / GIB:.2f} | {gpu.bandwidth / 1e12:.2f}"
            f" | {gpu.flops_bf16 / 1e12:,.0f} | {fp8} | {link} | {major}.{minor} | {gpu.source} |"
        )


if __name__ == "__main__":
    print(page(), end="")
