"""Every panel of every dashboard has something to show: under load, idle, after a replica's loss.

A real service of two pocket pools under a load of three teams is watched by a real Prometheus. No
fallback stands in for a metric that is not there, and what panels of rates add up to is what the
clients counted themselves.

`BIFOCAL_RECORD=FOLDER` writes down what was seen: `recorded.json` (the live scrape's names and
labels, for tests of rules), `seen.json` (points by query, for docs/dashboards.md), `drawn.json`
(the data of the pictures).
"""

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ops.dashboards import MARKS
from ops.metrics import engine, table
from tests.e2e.conftest import Service, bifocal, cluster_file, running, until
from tests.e2e.test_gateway import engine_of, is_ready, replica_pid
from tests.watch import panels
from tests.watch.load import HARD, Tally, load, once_each
from tests.watch.panels import Asked
from tests.watch.stack import Prometheus, prometheus, watch

pytestmark = pytest.mark.timeout(900)

TEAMS = ("search", "chat", "batch")
SETTLE_S = 27.0
"""Until the last event has gone through a rate's window."""
BUSY_S, FORCED_S, IDLE_S = 55.0, 20.0, 30.0
HERE = Path(__file__).parent


@dataclass
class Scene:
    """The service, who watches it, and when what happened."""

    service: Service
    watching: Prometheus
    keys: dict[str, str]
    began: float
    tally: Tally = field(default_factory=Tally)
    seen: dict[str, list[Asked]] = field(default_factory=dict)
    loaded: tuple[float, float] = (0.0, 0.0)
    gone: str = ""
    """The replica that was killed."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("watch")
    keys: dict[str, str] = {}

    def config(at: Path) -> Path:
        for team in TEAMS:
            keys[team] = _key(at, team)
        keys["ops"] = _key(at, "ops", "--scope", "operate", "--expires", "90d")
        return cluster_file(at, gateway={"port": 0, "keys": "keys.yaml"})

    with running(config) as service:
        (key_file := folder / "key").write_text(keys["ops"])
        ray = [f"127.0.0.1:{service.running.ports.metrics}"]
        with prometheus(folder, service.url, key_file=key_file, ray=ray) as watching:
            found = Scene(service, watching, keys, time.time())
            yield found
            _record(found)


def _key(at: Path, team: str, *more: str) -> str:
    told = bifocal(
        at / "state", "key", "new", "--team", team, "--file", str(at / "keys.yaml"), *more
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


def clients(scene: Scene) -> dict[str, str]:
    return {team: scene.keys[team] for team in TEAMS}


@watch
def test_every_panel_shows_the_load(scene: Scene) -> None:
    url, teams = scene.service.url, clients(scene)
    asyncio.run(once_each(url, teams, Tally()))
    with forced(scene):
        asyncio.run(load(url, teams, Tally(), 5))
    time.sleep(SETTLE_S)
    began = time.time()
    asyncio.run(load(url, teams, scene.tally, BUSY_S))
    with forced(scene):
        asyncio.run(load(url, teams, scene.tally, FORCED_S))
    time.sleep(SETTLE_S)
    scene.loaded = began, time.time()
    scene.seen["busy"] = panels.ask(scene.watching, *scene.loaded)
    assert panels.unknown(scene.watching) == []
    assert panels.silent(scene.seen["busy"], numbers=True) == []


@contextlib.contextmanager
def forced(scene: Scene) -> Iterator[None]:
    """An operator sends to the fast model all that `auto` would decide."""
    order = ("--key", scene.keys["ops"])
    assert scene.service.command("mode", "force", "fast", *order).returncode == 0
    try:
        yield
    finally:
        assert scene.service.command("mode", "force", "off", *order).returncode == 0


@watch
def test_rates_add_up_to_what_clients_counted(scene: Scene) -> None:
    pairs = panels.compared(scene.watching, scene.tally, *scene.loaded)
    print(
        *(f"{name}: {shown:.1f} / {counted:g}" for name, (shown, counted) in pairs.items()),
        sep="\n",
    )
    assert len(pairs) > 40
    assert panels.wrong(pairs) == []


@watch
def test_a_chosen_model_is_the_only_one_shown(scene: Scene) -> None:
    for _, panel, line in panels.lines():
        if not {"model", "application"} & set(line.query.rows[0].labels):
            continue
        text = panels.substituted(line.query.text, model="pocket-dense")
        for one in scene.watching.over(text, *scene.loaded):
            of = one["metric"]
            assert of.get("model", of.get("application", "pocket-dense")) == "pocket-dense", panel


@watch
def test_deploys_and_scaling_are_marked(scene: Scene) -> None:
    for mark in MARKS:
        query = panels.substituted(mark.query.text).removesuffix(" > 0")
        found = scene.watching.now(query)
        assert found, mark.title
        if mark.at_value:
            (at,) = set(found.values())
            assert scene.service.ready_at - 300 < at / 1000 < scene.service.ready_at + 5


@watch
def test_every_panel_stands_when_nobody_asks(scene: Scene) -> None:
    """Gauges, rates and shares are still there; a share or a quantile of nothing is no number."""
    time.sleep(IDLE_S)
    now = time.time()
    scene.seen["idle"] = panels.ask(scene.watching, now - IDLE_S / 2, now)
    assert panels.silent(scene.seen["idle"], numbers=False) == []


@watch
def test_every_panel_stands_after_a_replica_has_gone(scene: Scene) -> None:
    pool = "pocket-moe"
    before = replicas(scene, pool)
    lose(scene, pool)
    asyncio.run(once_each(scene.service.url, clients(scene), Tally()))
    until(lambda: replicas(scene, pool) - before, what="the new one's page", limit_s=60)
    time.sleep(SETTLE_S)
    now = time.time()
    scene.seen["after a loss"] = panels.ask(scene.watching, now - SETTLE_S, now)
    assert panels.silent(scene.seen["after a loss"], numbers=False) == []
    assert not replicas(scene, pool) & before
    failed = f'sum({table.REPLICA_FAILURES.name}{{model="{pool}"}})'
    assert sum(scene.watching.now(failed).values()) > 0


def lose(scene: Scene, pool: str) -> None:
    """Its only engine is killed while it answers; Serve starts another."""
    service = scene.service
    before = replica_pid(service, pool)
    assert before is not None
    stream = threading.Thread(target=lambda: asyncio.run(_long(scene, pool)))
    stream.start()
    time.sleep(2)
    engine_of(before).kill()
    stream.join()
    until(
        lambda: replica_pid(service, pool) not in (None, before) and is_ready(service),
        what="another replica",
        limit_s=300,
    )


async def _long(scene: Scene, pool: str) -> None:
    asked = {"role": "user", "content": HARD}
    body = {"model": pool, "messages": [asked], "stream": True, "max_tokens": 3000}
    headers = {"authorization": f"Bearer {scene.keys['chat']}"}
    path = f"{scene.service.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.post(
                path, json=body | {"ignore_eos": True}, headers=headers
            ) as answer:
                await answer.read()


def replicas(scene: Scene, pool: str) -> set[str]:
    found = scene.watching.now(f'{engine.RUNNING.name}{{model="{pool}"}}')
    return {dict(of)["replica"] for of in found}


@watch
def test_what_is_recorded_for_tests_of_rules_is_what_there_is(scene: Scene) -> None:
    live = panels.recorded(scene.watching)
    known = json.loads((HERE / "recorded.json").read_text())["metrics"]
    lacks = {name: set(known[name]) - set(live.get(name, ())) for name in known}
    assert {name: labels for name, labels in lacks.items() if labels} == {}
    assert known.keys() <= live.keys()


def _record(scene: Scene) -> None:
    if folder := os.environ.get("BIFOCAL_RECORD"):
        (at := Path(folder)).mkdir(parents=True, exist_ok=True)
        _write(at / "recorded.json", {"metrics": panels.recorded(scene.watching)})
        _write(at / "seen.json", _points(scene))
        _write(at / "drawn.json", _drawn(scene))


def _points(scene: Scene) -> dict[str, Any]:
    pairs = panels.compared(scene.watching, scene.tally, *scene.loaded)
    lines: dict[str, dict[str, Any]] = {}
    for when, asked in scene.seen.items():
        for one in asked:
            lines.setdefault(one.name, {})[when] = {
                "series": len(one.series),
                "points": len(one.values),
                "numbers": len(one.numbers),
            }
    return {
        "prometheus": scene.watching.ask("status/buildinfo")["version"],
        "date": time.strftime("%Y-%m-%d"),
        "lines": lines,
        "compared": {name: list(pair) for name, pair in pairs.items()},
    }


def _drawn(scene: Scene) -> dict[str, Any]:
    start, end = scene.began, time.time()
    return {
        "start": start,
        "end": end,
        "lines": {one.name: one.series for one in panels.ask(scene.watching, start, end)},
        "marks": {
            mark.title: scene.watching.over(panels.substituted(mark.query.text), start, end)
            for mark in MARKS
        },
    }


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
