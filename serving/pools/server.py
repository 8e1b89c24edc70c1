"""The replica: Ray's LLM server, ready only when it is warm."""

from ray.serve.llm.deployment import LLMServer
from starlette.types import ASGIApp

from serving.pools.warmup import warm_up


class PoolServer(LLMServer):  # type: ignore[misc]  # Ray's class is untyped
    """Serve counts a replica as running when `start` has returned."""

    async def start(self) -> None:
        await super().start()
        await warm_up(self)

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """vLLM's application as it is, so that the door stands before everything; Ray would put
        a middleware for adapters, which are not served here, before the door."""
        app: ASGIApp = await self.engine.build_asgi_app()
        return app
