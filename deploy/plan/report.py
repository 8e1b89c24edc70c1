"""A plan as one JSON object, for scripts: what was asked, whether it can be, the layouts."""

from typing import Any

from serving.layout import Demand, Estimate, Layout, Load, Plan, Rank
from serving.layout.words import ranking_words


def as_json(demand: Demand, plan: Plan) -> dict[str, Any]:
    """Bytes, seconds and tokens are plain numbers."""
    nodes = demand.nodes
    return {
        "feasible": plan.feasible,
        "why": plan.why,
        "nearest": plan.nearest,
        "warnings": list(plan.warnings),
        "model": demand.model.name,
        "precision": demand.precision.value,
        "gpu": nodes.kind.name,
        "gpus_per_node": nodes.per_node,
        "nodes": nodes.nodes,
        "context": demand.asked_context,
        "concurrency": demand.concurrency,
        "holds_concurrency": plan.holds_concurrency if demand.concurrency else None,
        "load": _load(demand.asked_load),
        "ranked_by": ranking_words(demand),
        "quickest": _place(plan),
        "layouts": [_layout(layout) for layout in plan.layouts],
    }


def _load(load: Load) -> dict[str, Any]:
    return {"prompt": load.prompt, "answer": load.answer, "tpot_s": load.tpot_s}


def _place(plan: Plan) -> int | None:
    """Of the quickest among the layouts, from 0 on."""
    return None if plan.quickest is None else plan.layouts.index(plan.quickest)


def _layout(layout: Layout) -> dict[str, Any]:
    sizes, memory = layout.sizes, layout.memory
    return {
        "tensor_parallel_size": sizes.tensor,
        "pipeline_parallel_size": sizes.pipeline,
        "data_parallel_size": sizes.data,
        "expert_parallel": sizes.expert,
        "expert_parallel_size": sizes.expert_parallel_size,
        "replicas": layout.replicas,
        "gpus_per_replica": sizes.gpus,
        "memory": memory.lines(),
        "memory_used": memory.used,
        "kv_tokens": layout.kv_tokens,
        "requests": layout.requests,
        "held": layout.held,
        "engine_args": dict(layout.engine_args),
        "bundles": [dict(bundle) for bundle in layout.bundles],
        "strategy": layout.strategy,
        "placement": [[_rank(rank) for rank in node] for node in layout.placement],
        "estimate": _estimate(layout.estimate),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "measured": estimate.measured,
        "prompt": estimate.prompt,
        "prefill_s": estimate.prefill_s,
        "answer": estimate.answer,
        "batch": estimate.batch,
        "decode_s": estimate.decode_s,
        "alone_s": estimate.alone_s,
        "latency_s": estimate.latency_s,
        "keeps_promise": estimate.keeps_promise,
        "tokens_per_s": estimate.tokens_per_s,
        "limited_by": estimate.limited_by,
        "sources": list(estimate.sources),
    }


def _rank(rank: Rank) -> dict[str, Any]:
    """`layers` and `experts` as first and last; no experts in a dense model."""
    return {
        "node": rank.node,
        "gpu": rank.gpu,
        "replica": rank.replica,
        "tensor": rank.tensor,
        "pipeline": rank.pipeline,
        "data": rank.data,
        "layers": _ends(rank.layers),
        "experts": _ends(rank.experts),
    }


def _ends(span: range) -> list[int] | None:
    return [span[0], span[-1]] if span else None
