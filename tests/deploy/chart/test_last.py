"""A head waits for nodes that leave, and for no others. `tests/install/test_started` has a real
one."""

from typing import Any

from ray.core.generated import gcs_pb2

from deploy.chart.last import LOOKS_EVERY_S, SETTLE_S, leaving, wait

ALIVE, DEAD = gcs_pb2.GcsNodeInfo.ALIVE, gcs_pb2.GcsNodeInfo.DEAD


class Store:
    """Of nodes by number, as Ray's client answers."""

    def __init__(self, states: dict[int, int], draining: set[int]) -> None:
        self._states, self._draining = states, draining

    def get_all_node_info(self, timeout: float) -> dict[bytes, Any]:
        return {bytes([n]): gcs_pb2.GcsNodeInfo(state=s) for n, s in self._states.items()}

    def get_draining_nodes(self, timeout: float) -> dict[str, int]:
        return {bytes([n]).hex(): 0 for n in self._draining}


def test_nodes_that_stay_or_have_gone_are_not_waited_for() -> None:
    assert leaving(Store({1: ALIVE, 2: ALIVE, 3: DEAD}, draining={3})) == set()


def test_a_node_that_leaves_is_waited_for_until_it_has_gone() -> None:
    assert leaving(Store({1: ALIVE, 2: ALIVE}, draining={2})) == {"02"}


def test_a_head_that_leaves_alone_goes_once_others_would_have_told() -> None:
    slept: list[float] = []
    wait(lambda: False, slept.append)
    assert slept == [SETTLE_S]


def test_a_head_is_the_last() -> None:
    slept: list[float] = []
    there = iter((True, True, False))
    wait(lambda: next(there), slept.append)
    assert slept == [SETTLE_S, LOOKS_EVERY_S, LOOKS_EVERY_S]
