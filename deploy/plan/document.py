"""`docs/layouts.md`: the eight models on 1, 2 and 4 nodes of eight H100.

python -m deploy.plan.document > docs/layouts.md
"""

from collections.abc import Iterator
from typing import Final

from deploy.plan.picture import picture
from deploy.plan.tables import LINES
from serving.catalog import CATALOG, ModelFacts, Modes
from serving.layout import Demand, Load, Nodes, Plan, Precision, attainable, plan
from serving.layout.gpus import KINDS, kind
from serving.layout.memory import FEWEST_SEQS
from serving.layout.ranking import ALIKE
from serving.layout.words import sizes_words
from serving.sizes import GIB

GPU: Final = "h100-80g"
PER_NODE: Final = 8
NODES: Final = (1, 2, 4)
PRECISIONS: Final = (Precision.BF16, Precision.FP8)
MODELS: Final[tuple[ModelFacts, ...]] = tuple(
    facts for facts in CATALOG.values() if facts.from_qwen and facts.modes is Modes.HYBRID
)
PROOFS: Final = ((Precision.FP8, 1), (Precision.BF16, 2))
"""Of the largest model: how Qwen serves it on one node, and what two are needed for."""

LOAD: Final = Load()

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
- **prefill**: of one prompt of {load.prompt:,} tokens, to its first token. **alone**: one token of
  a request that has the replica for itself. **batch**: requests of one replica at once, as many of
  {load.prompt:,} tokens of prompt and {load.answer:,} of answer as the cache holds, as vLLM is told
  to take ({seqs} for each DP rank), and as a step of {tpot:g} ms has time for. **decode**: a step
  with these, halfway through their answers. **tokens/s**: of answers, by all replicas with such
  batches, prefill counted in. **waits for**: what most of a step goes to.
- Everything beside the memory is **predicted by a roofline and not measured**: it ranks layouts and
  says what limits them. {measure}

## How layouts are ranked

1. Layouts that hold the asked concurrency (`--concurrency`, requests of the full context at once)
   stand before those that do not. A layout that holds fewer can run, as further requests wait: so
   the plan stays feasible where none holds them, `holds_concurrency` is false, and a warning has
   the arithmetic and `nearest` what would hold them.
2. Those that keep the promised time per token (`--tpot`; {tpot:g} ms, the default of `slo.plain`)
   stand before those that do not even with one request.
3. Then the most tokens/s, of all the nodes together. Predictions within {alike:.0%} are alike, and
   of those fewer GPUs a replica come first, hence more replicas: they wait for no all-reduce, fail
   alone and are replaced one by one. So a small model is replicated and a large one is cut no
   further than its weights and a good batch of KV cache ask for.

Who has few requests and wants each of them short cuts further: **quickest** is the layout with the
shortest time for one request alone, prefill and answer; `bifocal plan` names it below its table.
Another load (`--prompt`, `--answer`, `--tpot`) ranks otherwise.

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
    head = HEAD.format(
        context=context,
        load=LOAD,
        tpot=LOAD.tpot_s * 1000,
        seqs=FEWEST_SEQS,
        alike=ALIKE - 1,
        measure=MEASURE,
        assumed=assumed,
        gpus=gpus,
    )
    parts = [head]
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
        " | alone ms | batch | decode ms | tokens/s | waits for | quickest |"
    )
    yield "|" + "---|" * 14
    for model in MODELS:
        for precision in PRECISIONS:
            yield _row(model, precision, plan(_demand(model, precision, nodes)))


def _row(model: ModelFacts, precision: Precision, found: Plan) -> str:
    cells = _cells(found) if found.layouts else (f"does not fit: {found.why}", *[""] * 11)
    return f"| {model.name} | {precision.value} | " + " | ".join(cells) + " |"


def _cells(found: Plan) -> tuple[str, ...]:
    best, quickest = found.layouts[0], found.quickest or found.layouts[0]
    weights = best.memory.weights_dense + best.memory.weights_expert
    estimate = best.estimate
    return (
        sizes_words(best.sizes),
        str(best.replicas),
        f"{weights / GIB:.1f}",
        f"{best.kv_tokens:,}",
        str(best.requests),
        f"{estimate.prefill_s * 1e3:,.0f}",
        f"{estimate.alone_s * 1e3:.1f}",
        str(estimate.batch),
        f"{estimate.decode_s * 1e3:.1f}",
        f"{estimate.tokens_per_s:,.0f}",
        estimate.limited_by,
        sizes_words(quickest.sizes),
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
