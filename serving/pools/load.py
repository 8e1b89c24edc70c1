"""vLLM's hook for statistics (entry point `vllm.stat_logger_plugins`): keeps the engine's load, and
feels its pulse."""

from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

from serving.pools.gauges import GAUGES
from serving.pools.pulse import PULSE
from serving.values import Load


class LoadLogger(StatLoggerBase):  # type: ignore[misc]  # vLLM's class is untyped
    """Called after every step of the engine."""

    def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
        self._engine = engine_index

    def record(
        self,
        scheduler_stats: Any | None,
        iteration_stats: Any | None,
        mm_cache_stats: Any | None = None,
        engine_idx: int = 0,
    ) -> None:
        PULSE.beat()
        if scheduler_stats is not None:
            GAUGES.record(
                engine_idx,
                Load(
                    running=scheduler_stats.num_running_reqs,
                    waiting=scheduler_stats.num_waiting_reqs,
                    kv_cache_usage=scheduler_stats.kv_cache_usage,
                ),
            )

    def log_engine_initialized(self) -> None:
        GAUGES.record(self._engine, Load(running=0, waiting=0, kv_cache_usage=0.0))
