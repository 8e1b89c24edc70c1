"""How long a part takes on a GPU: CUDA events around a captured graph, so that no launch from
Python is in it, as none is in an engine that replays its graphs.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

import torch

from ops.bench.shards.kernels import Run

WARM: Final = 3
TIMES: Final = 20
TIMES_ON_CPU: Final = 5


def seconds(runs: Sequence[Run], device: str) -> float:
    """Of one run, the median over repetitions; `runs` are copies of the same work."""
    with torch.inference_mode():
        repeated = _on_gpu(runs) if device == "cuda" else _on_cpu(runs)
    return median(repeated) / len(runs)


def _on_gpu(runs: Sequence[Run]) -> list[float]:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            _all(runs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _all(runs)
    return [_replayed(graph) for _ in range(WARM + TIMES)][WARM:]


def _replayed(graph: "torch.cuda.CUDAGraph") -> float:
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    graph.replay()
    ended.record()
    ended.synchronize()
    return float(began.elapsed_time(ended)) / 1e3


def _on_cpu(runs: Sequence[Run]) -> list[float]:
    found = []
    for _ in range(WARM + TIMES_ON_CPU):
        began = time.perf_counter()
        _all(runs)
        found.append(time.perf_counter() - began)
    return found[WARM:]


def _all(runs: Sequence[Run]) -> None:
    for run in runs:
        run()
