"""The engine of a replica: Ray's LLM server with what we do not need left out, warm when made."""

from typing import Any

from ray.llm._internal.common.callbacks.base import CallbackBase
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import LLMServer

from serving.pools.app import PoolArgs
from serving.pools.warmup import warm_up


class Server(LLMServer):  # type: ignore[misc]  # Ray's class is untyped
    async def _start_engine(self) -> None:
        """Ray's own would also start a process that reports to Ray's makers what is served."""
        await self.engine.start()


class NoDownload(CallbackBase):  # type: ignore[misc]  # Ray's class is untyped
    """Ray would download the weights in yet another process, which imports all of vLLM for it.
    vLLM finds a folder, or downloads what it lacks, by itself."""

    async def on_before_node_init(self) -> None:
        self.ctx.run_init_node = False


async def start(args: PoolArgs) -> LLMServer:
    server = Server.sync_init(_llm_config(args))
    await server.start()
    await warm_up(server)
    return server


def _llm_config(args: PoolArgs) -> LLMConfig:
    return LLMConfig(
        model_loading_config={"model_id": args.name, "model_source": args.source},
        engine_kwargs=args.engine,
        callback_config={"callback_class": NoDownload},
        # vLLM's own /metrics is closed by the door; the gateway and the load header tell more.
        log_engine_metrics=False,
        **_hardware(args),
    )


def _hardware(args: PoolArgs) -> dict[str, Any]:
    if not args.cpu:
        return {"accelerator_type": args.accelerator}
    return {
        "accelerator_config": {"kind": "cpu"},
        "placement_group_config": {"bundle_per_worker": {"CPU": 1}},
    }
