"""One fault from beginning to end: a real gateway, and a replica that is a process of its own and
is started again when it dies. It generates nothing; what engines do of it is `tests/e2e`'s."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest

from ops.chaos import trial
from ops.chaos.faults import Fault, Role
from ops.chaos.tally import Row, row
from ops.chaos.trial import NoVictim, Place, run
from serving.gateway import silence, upstream
from tests.serving.gateway.peers import DENSE, closed_port, gateway

pytestmark = pytest.mark.process


AWAY_S = 1.0
"""Longer than clients wait before they ask again, so that some ask meanwhile."""


class Replica:
    """With what Ray Serve does for one: it is made again, and a stopped one is killed first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.process = self._made()

    def _made(self) -> "subprocess.Popen[bytes]":
        port = self.url.rpartition(":")[2]
        return subprocess.Popen([sys.executable, "-m", "tests.ops.chaos.replica", port])

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED:
                await asyncio.sleep(2.5)
                self.process.kill()
            if self.process.poll() is not None:
                await asyncio.sleep(AWAY_S)
                self.process = self._made()

    def found(self, role: Role) -> psutil.Process | None:
        return psutil.Process(self.process.pid) if role is Role.REPLICA else None


@asynccontextmanager
async def kept() -> AsyncIterator[Replica]:
    replica = Replica(closed_port())
    keeping = asyncio.create_task(replica.keep())
    try:
        await _up(replica.url)
        yield replica
    finally:
        keeping.cancel()
        replica.process.kill()
        replica.process.wait()


async def _up(url: str) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/health"):
                    return
            await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEFORE_S", 0.5), ("AT_LEAST_S", 1.0), ("WELL_FOR_S", 0.7)):
        monkeypatch.setattr(trial, name, seconds)
    monkeypatch.setattr(trial, "LIMIT_S", 40.0)
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.3)
    monkeypatch.setattr(silence, "GIVE_UP_AFTER_S", 1.0)
    monkeypatch.setattr(upstream, "PROBE_WITHIN", aiohttp.ClientTimeout(total=0.4))


async def hurt(what: signal.Signals, role: Role = Role.REPLICA) -> Row:
    async with kept() as replica, gateway(replica.url) as url:
        place = Place(url, {}, DENSE, (), 1, replica.found)
        return row(await run(place, Fault("a-fault", what, role), clients=2), DENSE, replicas=1)


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP])
async def test_what_a_dead_or_frozen_replica_costs(what: signal.Signals) -> None:
    found = await hurt(what)
    assert found.victim.bad == 0, found
    assert found.victim.error_events > 0, found
    assert found.victim.refused > 0, found
    assert found.out_of_routing_s is not None
    assert found.answers_again_s is not None
    assert found.restored_s is not None
    assert found.out_of_routing_s < found.restored_s
    assert not found.left


async def test_without_a_process_of_that_role_nothing_is_tried() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await hurt(signal.SIGKILL, Role.HEAD)
    assert caught.group_contains(NoVictim, match="Ray's head")


async def test_a_process_that_ends_while_it_is_looked_for_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ended(self: Replica, role: Role) -> psutil.Process | None:
        raise psutil.NoSuchProcess(self.process.pid)

    monkeypatch.setattr(Replica, "found", ended)
    with pytest.raises(ExceptionGroup) as caught:
        await hurt(signal.SIGKILL, Role.REPLICA)
    assert caught.group_contains(NoVictim, match="the replica")
