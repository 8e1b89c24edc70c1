"""An engine that is stopped under load rings the bell, and the bell stops when it goes on.

Real processes all the way: engine, gateway, Prometheus, Alertmanager, its webhook. What happened
when is printed, as `ops/alerts/stuck.md` has it for `docs/alerts.md`.
"""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import pytest
import yaml

from tests.e2e.conftest import Service, cluster_file, running, until
from tests.e2e.test_gateway import engine_of, replica_pid
from tests.watch.stack import Prometheus, alertmanager, prometheus, watch, webhook

pytestmark = pytest.mark.timeout(600)

ALERT = "BifocalEngineStuck"
POOL = "pocket-dense"
RULES = Path(__file__).parents[2] / "ops" / "alerts"
TOLD_WITHIN_S = 90.0
CLEAR_WITHIN_S = 120.0
WARM_S = 60.0
"""Longer than the rule looks back: the engine has been seen to work."""


@dataclass
class Timeline:
    began: float = field(default_factory=time.monotonic)
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> float:
        at = time.monotonic() - self.began
        self.events.append((at, what))
        print(f"| {at:.1f} s | {what} |", flush=True)
        return at


def alone(folder: Path) -> Path:
    """One pool, whose own watchdog waits longer than this test: only the alert is looked at."""
    file = cluster_file(folder)
    cluster = yaml.safe_load(file.read_text())
    pool = cluster["models"][POOL] | {"stuckAfter": "30m"}
    file.write_text(yaml.safe_dump(cluster | {"models": {POOL: pool}}))
    return file


@watch
def test_a_stuck_engine_is_told_within_a_minute_and_a_half_and_taken_back(tmp_path: Path) -> None:
    rules = [str(RULES / "*.yaml")]
    with (
        running(alone) as service,
        webhook() as hook,
        alertmanager(tmp_path, hook) as told,
        prometheus(tmp_path, service.url, rules=rules, alertmanager=told) as watching,
        asked(service),
    ):
        time.sleep(WARM_S)
        assert not hook.alerts(ALERT)
        engine, timeline = _engine(service), Timeline()
        engine.send_signal(signal.SIGSTOP)
        try:
            timeline.note(f"SIGSTOP to the engine of {POOL}, with requests in it")
            until(lambda: _holds(watching), what="pending", limit_s=TOLD_WITHIN_S)
            timeline.note("the rule holds: pending")
            until(lambda: hook.alerts(ALERT), what="the bell", limit_s=TOLD_WITHIN_S)
            rang = timeline.note("the webhook has the alert")
        finally:
            engine.send_signal(signal.SIGCONT)
        timeline.note("SIGCONT")
        until(lambda: hook.alerts(ALERT, "resolved"), what="the end", limit_s=CLEAR_WITHIN_S)
        timeline.note("the webhook has heard that it is over")
    (alert, *_) = hook.alerts(ALERT)
    assert rang <= TOLD_WITHIN_S
    assert alert["labels"]["model"] == POOL
    assert alert["annotations"]["runbook_url"].endswith(f"{ALERT}.md")


@contextmanager
def asked(service: Service) -> Iterator[None]:
    """Two clients that ask one thing after the other."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask(service.url, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _ask(url: str, stop: threading.Event) -> None:
    body = {"model": POOL, "messages": [{"role": "user", "content": "7 + 8"}], "stream": True}

    async def client() -> None:
        while not stop.is_set():
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                    await answer.read()
            await asyncio.sleep(0.1)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(client(), client())


def _engine(service: Service) -> psutil.Process:
    pid = replica_pid(service, POOL)
    assert pid is not None
    return engine_of(pid)


def _holds(watching: Prometheus) -> bool:
    """Whether the rule holds, pending or firing."""
    return bool(watching.now(f'ALERTS{{alertname="{ALERT}"}}'))
