"""Another cluster file reaches a running service under load: what its clients lose by it.

Each test goes on from the file that the one before it has applied. With `-s` the figures are shown.
"""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import yaml

from ops.chaos.clients import Clients, Ending
from ops.chaos.tally import Losses, losses
from tests.e2e.conftest import Service, cluster_file, running

pytestmark = [pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(900)]

POOL = "pocket-dense"
CLIENTS = 6
AROUND_S = 4.0
"""Of load before and after, which must go well."""
WITHIN_S = 400


@pytest.fixture(scope="module")
def two() -> Iterator[Service]:
    """One pool of two replicas."""
    models = {POOL: {"on": "cpu", "replicas": 2}}
    with running(lambda folder: cluster_file(folder, models=models)) as service:
        yield service


def write(service: Service, *, replicas: int = 2, **changes: Any) -> None:
    """A file as it was written first, but for `changes`; `engine` is the pool's."""
    pool = {"on": "cpu", "replicas": replicas, "engine": changes.pop("engine", {})}
    cluster_file(service.config.parent, models={POOL: pool}, **changes)


def apply(service: Service, *options: str) -> "subprocess.CompletedProcess[str]":
    given = ("--config", str(service.config), *options)
    return service.command("apply", *given, timeout_s=WITHIN_S)


async def under_load(
    service: Service, name: str, pool: str = POOL
) -> tuple["subprocess.CompletedProcess[str]", Any]:
    """What `apply` said, and what the clients saw."""
    clients = Clients(service.url, {}, pool, CLIENTS)
    asking = asyncio.create_task(clients.run())
    await asyncio.sleep(AROUND_S)
    began = time.monotonic()
    told = await asyncio.to_thread(apply, service, "--yes")
    took = time.monotonic() - began
    await asyncio.sleep(AROUND_S)
    clients.enough()
    await asking
    print(f"\n{name}: {took:.0f} s; {losses(clients.calls)}\n{told.stdout}{told.stderr}")
    return told, clients.calls


def pids(service: Service) -> set[int]:
    """Of the replicas that are up."""
    (deployment,) = service.applications()["applications"][POOL]["deployments"].values()
    return {each["pid"] for each in deployment["replicas"] if each["state"] == "RUNNING"}


def lost_none(found: Losses) -> bool:
    return found.whole > 0 and found == Losses(found.whole, 0, 0, 0, 0)


async def test_two_replicas_are_replaced_one_at_a_time_and_nothing_is_lost(two: Service) -> None:
    before = pids(two)
    write(two, engine={"max_num_seqs": 48})
    told, calls = await under_load(two, "roll")
    assert told.returncode == 0, told.stderr
    assert f"{POOL}: rolled: 2 replicas, one at a time" in told.stdout
    assert f"models.{POOL}.engine.max_num_seqs" in told.stdout
    assert len(pids(two) - before) == len(pids(two)) == 2
    assert lost_none(losses(calls))


def test_the_same_file_changes_nothing(two: Service) -> None:
    before = pids(two), two.running.gateway
    told = apply(two)
    assert told.returncode == 0
    assert "already" in told.stdout
    assert (pids(two), two.running.gateway) == before


def test_what_a_running_service_cannot_take_is_refused_with_the_reason(two: Service) -> None:
    write(two, engine={"max_num_seqs": 48}, gateway={"port": 1025})
    told = apply(two, "--json")
    assert told.returncode == 2
    assert "gateway.port" in told.stderr
    (line,) = json.loads(told.stdout)["refused"]
    assert "since its start" in line


def test_a_dry_run_says_it_and_does_nothing(two: Service) -> None:
    before = (two.state / "cluster.yaml").read_text()
    write(two, engine={"max_num_seqs": 32})
    told = apply(two, "--dry-run", "--json")
    assert told.returncode == 0
    assert [each["change"] for each in json.loads(told.stdout)["pools"]] == ["rolled"]
    assert (two.state / "cluster.yaml").read_text() == before


async def test_another_gateway_takes_over_and_nothing_is_lost(two: Service) -> None:
    before = pids(two), two.running.gateway
    write(two, engine={"max_num_seqs": 48}, gateway={"port": 0, "limits": {"choices": 2}})
    told, calls = await under_load(two, "gateway")
    assert told.returncode == 0, told.stderr
    assert pids(two) == before[0]
    assert two.running.gateway != before[1]
    assert lost_none(losses(calls))
    one_before = before[1]
    assert one_before is not None
    for _ in range(400):  # until its clients' last connections are idle for long
        if not psutil.pid_exists(one_before.pid):
            break
        await asyncio.sleep(0.5)
    assert not one_before.alive


async def test_an_engine_that_does_not_start_is_put_back_and_nothing_is_lost(two: Service) -> None:
    before = pids(two)
    write(
        two,
        engine={"max_num_seqs": 48, "quantization": "nonsense"},
        gateway={"port": 0, "limits": {"choices": 2}},
    )
    told, calls = await under_load(two, "failed")
    assert told.returncode == 1
    assert "the service runs as it did before" in told.stderr
    assert len(pids(two) & before) == 1
    assert len(pids(two)) == 2
    assert lost_none(losses(calls))
    served = yaml.safe_load((two.state / "cluster.yaml").read_text())
    assert served["models"][POOL]["engine"] == {"max_num_seqs": 48}


async def test_one_replica_leaves_and_no_other_is_touched(two: Service) -> None:
    before = pids(two)
    write(two, replicas=1, engine={"max_num_seqs": 48}, gateway={"port": 0})
    told, calls = await under_load(two, "scaled down")
    assert told.returncode == 0, told.stderr
    assert pids(two) < before
    assert lost_none(losses(calls))


async def test_an_only_replica_is_away_meanwhile_and_that_is_announced(two: Service) -> None:
    before = pids(two)
    write(two, replicas=1, engine={"max_num_seqs": 32}, gateway={"port": 0})
    told, calls = await under_load(two, "replaced")
    assert told.returncode == 0, told.stderr
    assert f"{POOL}: replaced: its only replica leaves" in told.stdout
    assert not pids(two) & before
    found = losses(calls)
    assert found.refused > 0
    assert (found.lost, found.error_events, found.cut) == (0, 0, 0)
    assert calls[-1].ending is Ending.WHOLE
