"""A data-parallel pool: the doctor beside it, and another configuration under load, for which its
gang answers out.

With `-s` the figures are shown.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ops.chaos.tally import losses
from tests.e2e.conftest import Service, cluster_file, running
from tests.e2e.test_apply import under_load

pytestmark = [pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(1100)]

POOL = "pocket-moe"


def models(**engine: int) -> dict[str, Any]:
    layout = {"data": 2, "expert": True}
    return {POOL: {"on": "cpu", "precision": "fp32", "layout": layout, "engine": engine}}


@pytest.fixture(scope="module")
def gang() -> Iterator[Service]:
    """One replica of two engines."""
    gpus = {"cpu": {"kind": "cpu", "perNode": 2}}
    with running(lambda folder: cluster_file(folder, gpus=gpus, models=models())) as service:
        yield service


def test_the_doctor_finds_the_cluster_that_up_runs(gang: Service) -> None:
    """Beside its pool, whose ranks it lets try their network."""
    told = gang.command("doctor", "--config", str(gang.config), "--json", timeout_s=240)
    assert told.returncode == 0, told.stdout + told.stderr
    (reduced,) = json.loads(told.stdout)["all_reduce"]
    assert (reduced["pool"], reduced["beside"]) == (POOL, True)
    assert [each["stage"] for each in reduced["ranks"]] == ["summed", "summed"]


async def test_a_gang_that_is_replaced_finishes_its_answers(gang: Service) -> None:
    assert len(gang.replicas(POOL)) == 2
    cluster_file(gang.config.parent, models=models(max_num_seqs=48))
    told, calls = await under_load(gang, "gang", POOL)
    assert told.returncode == 0, told.stderr
    found = losses(calls)
    assert found.refused > 0
    assert (found.lost, found.error_events, found.cut) == (0, 0, 0)
    assert len(gang.replicas(POOL)) == 2
