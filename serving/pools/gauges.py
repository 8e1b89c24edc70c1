"""What the engine of this process said of itself last: written by `load`, read by `door`."""

from serving.values import Load


class Gauges:
    """By engine; a replica has several when its attention is data-parallel."""

    def __init__(self) -> None:
        self._loads: dict[int, Load] = {}

    def record(self, engine: int, load: Load) -> None:
        self._loads[engine] = load

    def total(self, unfinished: int) -> Load:
        """Requests of all engines; the KV cache of the fullest, which fills first.

        `unfinished` is what vLLM's front end still waits for. An engine speaks only when it takes a
        step, so after the last request was aborted its last word would stand until the next one.
        """
        loads = self._loads.values()
        return Load(
            running=min(unfinished, sum(load.running for load in loads)),
            waiting=min(unfinished, sum(load.waiting for load in loads)),
            kv_cache_usage=max((load.kv_cache_usage for load in loads), default=0.0),
        )


GAUGES = Gauges()
"""One for the process: vLLM makes the writer and the reader apart, by name."""


def header_value(load: Load) -> bytes:
    return b"running=%d;waiting=%d;kv=%.3f" % (load.running, load.waiting, load.kv_cache_usage)
