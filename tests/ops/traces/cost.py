"""What tracing takes of the gateway's processor for one request.

    python -m tests.ops.traces.cost

In processor time of the one thread, and the least of some rounds, so that a busy machine says the
same.
"""

import time
from collections.abc import Callable
from typing import Final

from ops.traces.sending import BATCH
from serving.tracing import Sampler, Stage, step
from tests.e2e.collector import collecting
from tests.ops.traces.test_sending import TRACED, traces
from tests.ops.traces.test_spans import WELL
from tests.serving.ports import closed

ROUNDS: Final = 10


def least_us(act: Callable[[], object], times: int, pause_s: float = 0.0) -> float:
    """With pauses in which what waits can be sent."""
    found = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            act()
        found.append((time.thread_time() - began) / times * 1e6)
        time.sleep(pause_s)
    return min(found)


def steps_not_traced() -> None:
    with step(None, Stage.DECIDE, time.monotonic):
        pass
    with step(None, Stage.ATTEMPT, time.monotonic):
        pass


def main() -> None:
    sampler, port = Sampler(1e-9), closed()
    off = least_us(steps_not_traced, 100_000)
    asked = least_us(lambda: sampler.begin(None, 0.0), 100_000)
    with collecting(port):
        sending = traces(port)
        told = least_us(lambda: sending.on(WELL), 1000)
        traced = least_us(lambda: sending.on(TRACED), BATCH // 4, 0.3)
        sending.end()
    print(f"off: {off:.1f} us; not chosen: {off + asked:.1f} us; traced: {traced - told:.0f} us")


if __name__ == "__main__":
    main()
