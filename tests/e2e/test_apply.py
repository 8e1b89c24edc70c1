"""Another cluster file reaches a running service under load: what its clients lose by it.

Each test goes on from the file that the one before it has applied. With `-s` the figures are shown.
"""

import asyncio
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ops.chaos.clients import Clients, Ending
from ops.chaos.tally import Losses, losses
from tests.e2e.conftest import Service, cluster_file, running

pytestmark = [pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(900)]

POOL, OTHER = "pocket-dense", "pocket-moe"
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


def write(service: Service, *, replicas: int = 2, beside: bool = False, **changes: Any) -> None:
    """A file as it was written first, but for `changes`; those of the pool's own are its. With
    `beside` another pool takes the room of the second replica."""
    own = {key: changes.pop(key, None) for key in ("engine", "holdFor", "instead")}
    pool = {"on": "cpu", "replicas": replicas} | {k: v for k, v in own.items() if v is not None}
    models = {POOL: pool, OTHER: {"on": "cpu"}} if beside else {POOL: pool}
    cluster_file(service.config.parent, models=models, **changes)


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
    found, by = losses(clients.calls), Counter(call.told for call in clients.calls)
    longest = max(call.ended - call.began for call in clients.calls)
    print(f"\n{name}: {took:.0f} s; {found}; {dict(by)}; longest {longest:.1f} s")
    print(f"{told.stdout}{told.stderr}")
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
        if not one_before.alive:
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


def one_replica(service: Service) -> None:
    """Whichever test was the one before."""
    served = yaml.safe_load((service.state / "cluster.yaml").read_text())
    write(service, replicas=1, engine=served["models"][POOL].get("engine", {}))
    assert apply(service, "--yes").returncode == 0
    assert len(pids(service)) == 1


async def test_an_only_replica_with_room_leaves_when_the_next_one_is_up(two: Service) -> None:
    one_replica(two)
    before = pids(two)
    write(two, replicas=1, engine={"max_num_seqs": 32}, gateway={"port": 0})
    told, calls = await under_load(two, "surged")
    assert told.returncode == 0, told.stderr
    assert f"{POOL}: surged: there is room for one more" in told.stdout
    assert len(pids(two)) == 1
    assert not pids(two) & before
    assert lost_none(losses(calls))


async def test_what_does_not_start_beside_an_only_replica_is_put_back(two: Service) -> None:
    before = pids(two)
    write(two, replicas=1, engine={"max_num_seqs": 32, "quantization": "nonsense"})
    told, calls = await under_load(two, "surge failed")
    assert told.returncode == 1
    assert "the service runs as it did before" in told.stderr
    assert pids(two) == before
    assert lost_none(losses(calls))


async def test_without_room_another_model_answers_meanwhile(two: Service) -> None:
    """The clients ask for the one that is away by its name."""
    write(two, replicas=1, beside=True, engine={"max_num_seqs": 32}, instead=OTHER)
    assert apply(two, "--yes").returncode == 0
    before = pids(two)
    write(two, replicas=1, beside=True, engine={"max_num_seqs": 24}, instead=OTHER)
    told, calls = await under_load(two, "instead")
    assert told.returncode == 0, told.stderr
    assert f"{POOL}: replaced: its only replica leaves before" in told.stdout
    assert f"is answered by {OTHER}" in told.stdout
    assert not pids(two) & before
    assert lost_none(losses(calls))
    by = [call.told for call in calls]
    assert set(by) == {"200", f"200 by {OTHER}"}
    assert (by[0], by[-1]) == ("200", "200")


async def test_without_room_requests_wait_for_it(two: Service) -> None:
    write(two, replicas=1, beside=True, engine={"max_num_seqs": 16}, holdFor="170s")
    told, calls = await under_load(two, "waited")
    assert told.returncode == 0, told.stderr
    assert told.stdout.index("another gateway takes over") > 0
    assert lost_none(losses(calls))
    assert {call.told for call in calls} == {"200"}
    assert max(call.ended - call.began for call in calls) > AROUND_S


async def test_an_only_replica_is_away_meanwhile_and_that_is_announced(two: Service) -> None:
    before = pids(two)
    write(two, replicas=1, beside=True, engine={"max_num_seqs": 8})
    told, calls = await under_load(two, "replaced")
    assert told.returncode == 0, told.stderr
    assert f"{POOL}: replaced: its only replica leaves" in told.stdout
    assert not pids(two) & before
    found = losses(calls)
    assert found.refused > 0
    assert (found.lost, found.error_events, found.cut) == (0, 0, 0)
    assert calls[-1].ending is Ending.WHOLE
