"""The engine of a replica: Ray's LLM server with what we do not need left out, warm when made."""

import asyncio
import time
from typing import Any, Final

from ray.llm._internal.common.callbacks.base import CallbackBase
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import DPServer, LLMServer

from serving.pools.app import PoolArgs
from serving.pools.children import kill_children
from serving.pools.failure import EngineStuck
from serving.pools.neighbours import Node, gone, neighbours
from serving.pools.patience import COMPILATION_S
from serving.pools.pulse import PULSE, Verdict, watched
from serving.pools.warmup import warm_up

LOOKS_EVERY_S: Final = 0.2


class Server(LLMServer):  # type: ignore[misc]  # Ray's class is untyped
    stuck_after_s = float("inf")
    other_nodes: tuple[Node, ...] = ()
    """That have a part of the engine, or of its gang."""

    async def _start_engine(self) -> None:
        """Ray's own would also start a process that reports to Ray's makers what is served."""
        await self.engine.start()

    async def check_health(self) -> None:
        """vLLM's own only says whether the engine died."""
        await super().check_health()
        verdict, why = self._look(self.stuck_after_s), ""
        if verdict.still_s and (away := await gone(self.other_nodes)):
            verdict, why = self._look(verdict.still_s), f", with {', '.join(away)} gone"
        if verdict.stuck:
            kill_children()
            raise EngineStuck(verdict.reason + why)

    async def finish(self) -> None:
        """Returns when nothing of the engine is needed any more: one without work of its own takes
        part in the steps of its gang."""
        client = self.engine._engine_client
        while client.engine_core.dp_engines_running() and not client.errored:  # noqa: ASYNC110
            await asyncio.sleep(LOOKS_EVERY_S)  # it tells nobody

    def _look(self, limit_s: float) -> Verdict:
        unfinished = self.engine._engine_client.get_num_unfinished_requests()
        return PULSE.look(time.monotonic(), unfinished, limit_s)


class NoDownload(CallbackBase):  # type: ignore[misc]  # Ray's class is untyped
    """Ray would download the weights in yet another process, which imports all of vLLM for it.
    vLLM finds a folder, or downloads what it lacks, by itself."""

    async def on_before_node_init(self) -> None:
        self.ctx.run_init_node = False


class DataParallelServer(Server, DPServer):  # type: ignore[misc]  # Ray's classes are untyped
    """One engine of a gang. Ray's own agrees with the others on where they meet."""


async def start(args: PoolArgs) -> LLMServer:
    server = await (_of_gang if args.engine["data_parallel_size"] > 1 else _alone)(args)
    server.other_nodes = neighbours()
    # `stuckAfter` may be of an engine that has compiled all it needs.
    server.stuck_after_s = args.stuck_after_s + COMPILATION_S
    await watched(warm_up(server), server.check_health)
    server.stuck_after_s = args.stuck_after_s
    return server


async def _alone(args: PoolArgs) -> LLMServer:
    server = Server.sync_init(_llm_config(args))
    await server.start()
    return server


async def _of_gang(args: PoolArgs) -> LLMServer:
    """Ray's constructor is a coroutine, which Serve awaits where it makes the instance."""
    server = DataParallelServer.__new__(DataParallelServer)
    await server.__init__(_llm_config(args))  # type: ignore[misc]
    return server


def _llm_config(args: PoolArgs) -> LLMConfig:
    return LLMConfig(
        model_loading_config={"model_id": args.name, "model_source": args.source},
        engine_kwargs=args.engine,
        callback_config={"callback_class": NoDownload},
        # The door shows vLLM's own /metrics, which are exact; through Ray's agent sums are made up,
        # gauges vanish, and each costs a call.
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
