"""Gateways that come and go under load, in front of a pool that runs elsewhere.

The pool is what the bench has for one, with a pause before an answer and before each token, so that
answers are under way at any moment; `test_started` has engines.
"""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import uvicorn

from ops.bench import mock
from tests.e2e.nodes import why_not
from tests.install.helm import CHART, Helm
from tests.install.images import Image
from tests.install.server import ApiServer
from tests.install.started import release
from tests.install.started.cluster import RELEASE, Cluster, cluster
from tests.install.started.load import POOLS, sdk_whole, under_load

NO_NODES = why_not()
pytestmark = pytest.mark.skipif(NO_NODES is not None, reason=f"no nodes here: {NO_NODES}")
PORT = 9000
PREFILL_S = 0.5
PAUSE_S = 0.03
READY_S = 200.0
FEW = 5
"""Answers, each of some seconds, while one is killed and comes back, however busy the machine."""


async def slowly(scope: mock.Scope, receive: mock.Receive, send: mock.Send) -> None:
    async def later(message: mock.Message) -> None:
        begins = message["type"] == "http.response.start"
        await asyncio.sleep(PREFILL_S if begins else PAUSE_S)
        await send(message)

    await mock.application(scope, receive, later)


@pytest.fixture(scope="module")
def started(helm: Helm, server: ApiServer, images: dict[str, Image]) -> Iterator[Cluster]:
    there = replace(helm, kubeconfig=server.kubeconfig)
    with cluster(server, there, images, has_rays=False) as found:
        config = uvicorn.Config(
            slowly, host=found.network.outside, port=PORT, log_config=None, lifespan="off"
        )
        pool = uvicorn.Server(config)
        thread = threading.Thread(target=pool.run)
        thread.start()
        try:
            url = f"http://{found.network.outside}:{PORT}"
            models = {name: {"on": "cpu", "targets": [url]} for name in POOLS}
            values = {"gpus": {"cpu": {"kind": "cpu"}}, "models": models}
            found.run("install", RELEASE, CHART, *there.values(values))
            found.until(lambda: release.are_both_ready(found), "two gateways", READY_S)
            found.until(lambda: release.answer(found, POOLS[0]), "an answer", READY_S)
            yield found
        finally:
            pool.should_exit = True
            thread.join()


def test_one_that_leaves_loses_nothing(started: Cluster) -> None:
    left = []
    trial = under_load(started, lambda: left.append(release.lose_gateway(started)))
    assert trial.losses.whole > 20, trial
    assert trial.told == {}, trial
    (run,) = left[0].containers
    assert (run.exit_code, run.killed) == (0, False)


def test_all_are_replaced_and_nothing_is_lost(started: Cluster) -> None:
    trial = under_load(started, lambda: release.restart_gateways(started))
    assert trial.losses.whole > 20, trial
    assert trial.told == {}, trial


def test_one_that_is_killed_comes_back(started: Cluster) -> None:
    trial = under_load(started, lambda: release.kill_gateway(started))
    assert trial.losses.whole > FEW, trial


def test_one_that_is_killed_costs_openais_own_client_no_whole_answer(started: Cluster) -> None:
    """It asks again what has no answer yet, which leads to the other gateway."""
    trial = under_load(started, lambda: release.kill_gateway(started), sdk_whole)
    assert trial.losses.whole > FEW, trial
    assert trial.told == {}, trial
    assert trial.again, trial


def test_all_is_taken_off_and_nothing_is_left(started: Cluster) -> None:
    """Gateways, Jobs, what they filled, and what Kubernetes made of them."""
    release.uninstall(started)
    assert release.left(started) == release.killed(started) == []
