"""Builds one pool's Serve application; Serve calls it by name with the arguments of its text.

The replicas serve vLLM's own application on ports of their own (direct ingress), which needs
`RAY_SERVE_ENABLE_DIRECT_INGRESS=1 RAY_SERVE_ENABLE_HA_PROXY=0
RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING=1` in the environment of every node.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.llm import LLMConfig, build_llm_deployment

from serving.pools.server import PoolServer


class PoolArgs(BaseModel):
    """As `serve_config` writes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    cpu: bool
    accelerator: str | None
    engine: dict[str, Any]
    deployment: dict[str, Any]


def build(args: PoolArgs) -> Application:
    return build_llm_deployment(_llm_config(args), deployment_cls=serve.ingress()(PoolServer))


def _llm_config(args: PoolArgs) -> LLMConfig:
    return LLMConfig(
        model_loading_config={"model_id": args.name, "model_source": args.source},
        engine_kwargs=args.engine,
        deployment_config=args.deployment | _actor_options(args),
        # vLLM's own /metrics is closed by the door; the gateway and the load header tell more.
        log_engine_metrics=False,
        **_hardware(args),
    )


def _actor_options(args: PoolArgs) -> dict[str, Any]:
    """On a CPU the replica shares its engine's core."""
    return {"ray_actor_options": {"num_cpus": 0}} if args.cpu else {}


def _hardware(args: PoolArgs) -> dict[str, Any]:
    if not args.cpu:
        return {"accelerator_type": args.accelerator}
    return {
        "accelerator_config": {"kind": "cpu"},
        "placement_group_config": {"bundle_per_worker": {"CPU": 1}},
    }
