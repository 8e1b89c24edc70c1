"""A plan as one JSON object, for scripts: what was asked, whether it can be, the layouts."""

from typing import Any

from serving.layout import Demand, Estimate, Layout, Plan, Rank


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
        "layouts": [_layout(layout) for layout in plan.layouts],
    }


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
        "batch": estimate.batch,
        "decode_s": estimate.decode_s,
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
