"""An operator's hands on running gateways, over real HTTP."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from serving.gateway import Peering, StandingOrders, operator
from serving.gateway.peers import Peers
from serving.keys import OPERATE, KeyRecord, KeyRing
from serving.observer import OrdersHeld
from serving.values import Team
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import DENSE, MOE, Peer, Recorder, gateway, serving


def record(secret: str, team: str, *scopes: str) -> KeyRecord:
    return KeyRecord(Team(team), digest(secret), None, frozenset(scopes))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


ADMIN, SEARCH = "bf-admin", "bf-search"
KEYS = KeyRing.of([record(ADMIN, "admin", OPERATE), record(SEARCH, "search")])
AS_ADMIN, AS_SEARCH = {"x-api-key": ADMIN}, {"x-api-key": SEARCH}
SUM = [{"role": "user", "content": "What is 48213 + 9377 + 60418?"}]


def order(**fields: Any) -> dict[str, Any]:
    return {"data": json.dumps(fields).encode(), "headers": {**JSON, **AS_ADMIN}}


JSON = {"content-type": "application/json"}


async def test_a_drained_pool_takes_nothing_new_and_finishes_what_it_has(ask: Ask) -> None:
    slow = Peer([peers.streamed(peers.ROLE, peers.delta(content="a"), 0.6, peers.ANSWER)])
    async with serving(slow) as replica, gateway(replica, keys=KEYS) as url:
        running = asyncio.create_task(ask(url, headers=AS_SEARCH, model="fast", stream=True))
        await slow.arrived.wait()
        ordered = await ask(url, path="/operator/pool", **order(pool=DENSE, drained=True))
        assert ordered.status == 200
        assert ordered.json["pools"][DENSE]["requests"] == 1
        refused = await ask(url, headers=AS_SEARCH, model="fast")
        other = await ask(url, headers=AS_SEARCH, model="deep", stream=True)
        listed = (await ask(url, method="GET", path="/v1/models", headers=AS_SEARCH)).json
        finished = await running
        empty = (await ask(url, method="GET", path="/operator", headers=AS_ADMIN)).json
        await ask(url, path="/operator/pool", **order(pool=DENSE, drained=False))
        again = await ask(url, headers=AS_SEARCH, model="fast", stream=True)
    assert (refused.status, refused.error["code"]) == (503, "pool_drained")
    assert (refused.headers["retry-after"], "operator" in refused.error["message"]) == ("30", True)
    assert finished.body.endswith(peers.DONE)
    ready = {entry["id"]: entry["reason"] for entry in listed["data"]}
    assert (ready[DENSE], ready[MOE]) == ("an operator drains it", None)
    assert empty["pools"][DENSE] | {"drained": True, "requests": 0} == empty["pools"][DENSE]
    assert (other.status, again.status) == (200, 200)


@pytest.mark.parametrize(
    ("force", "asked", "model", "thinking", "reason"),
    [
        pytest.param("fast", {"messages": SUM}, DENSE, "off", "forced fast", id="a hard sum"),
        pytest.param("deep", {}, MOE, "on", "forced deep", id="an easy one"),
        pytest.param(
            "deep",
            {"reasoning_effort": "none"},
            MOE,
            "off",
            "forced deep",
            id="a wish not to think",
        ),
        pytest.param("deep", {"model": "fast"}, DENSE, "off", "fast asked", id="fast by name"),
        pytest.param("fast", {"model": MOE}, MOE, "on", "named model", id="a model by name"),
    ],
)
async def test_auto_is_forced_and_wishes_still_hold(
    ask: Ask, force: str, asked: dict[str, Any], model: str, thinking: str, reason: str
) -> None:
    async with serving(Peer([peers.said()])) as replica, gateway(replica, keys=KEYS) as url:
        before = await ask(url, headers=AS_SEARCH, **asked)
        await ask(url, path="/operator/mode", **order(force=force))
        forced = await ask(url, headers=AS_SEARCH, **asked)
        await ask(url, path="/operator/mode", **order(force=None))
        after = await ask(url, headers=AS_SEARCH, **asked)
    names = ("x-bifocal-model", "x-bifocal-thinking", "x-bifocal-reason")
    assert tuple(forced.headers[name] for name in names) == (model, thinking, reason)
    assert [after.headers[name] for name in names] == [before.headers[name] for name in names]


async def test_a_forced_mode_ends_by_itself_and_the_observer_hears_of_it(ask: Ask) -> None:
    observer = Recorder()
    async with (
        serving(Peer([peers.said()])) as replica,
        gateway(replica, keys=KEYS, observer=observer) as url,
    ):
        await ask(url, path="/operator/mode", **order(force="deep", for_s=0.5))
        forced = await ask(url, headers=AS_SEARCH)
        await asyncio.sleep(2.0)
        after = await ask(url, headers=AS_SEARCH)
    assert forced.headers["x-bifocal-reason"] == "forced deep"
    assert after.headers["x-bifocal-reason"] != "forced deep"
    told = [each.forced["deep"] for each in observer.events if isinstance(each, OrdersHeld)]
    assert told == [False, True, False]


@pytest.mark.parametrize("path", ["/operator/pool", "/operator/mode", "/operator/key"])
async def test_only_an_operators_key_may(
    ask: Ask, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bifocal.audit")
    async with gateway(keys=KEYS) as url:
        theirs = await ask(url, path=path, headers={**JSON, **AS_SEARCH}, data=b"{}")
        nobodys = await ask(url, path=path, headers=JSON, data=b"{}")
        ours = await ask(url, path=path, headers={**JSON, **AS_ADMIN}, data=b"{}")
    assert (theirs.status, nobodys.status, ours.status) == (403, 401, 400)
    (line,) = [json.loads(record.message) for record in caplog.records]
    assert (line["refused"], line["key"]) == (True, f"search {digest(SEARCH)[:12]}")


async def test_without_keys_whoever_is_on_loopback_is_the_operator(ask: Ask) -> None:
    async with gateway() as url:
        ordered = await ask(url, path="/operator/mode", data=b'{"force": "deep"}', headers=JSON)
        page = await ask(url, path="/operator/mode", data=b'{"force": "deep"}')
    assert (ordered.status, ordered.json["mode"]["by"]) == (200, "open")
    assert page.status == 415, "a web page cannot order anything without asking first"


@pytest.mark.parametrize("id", ["3fa9c1d2", "3fa9c1d2" * 8])
async def test_without_keys_there_is_none_to_take_back(ask: Ask, id: str) -> None:
    async with gateway() as url:
        told = await ask(url, path="/operator/key", **order(revoke=id))
    assert (told.status, "has no key to take back" in told.error["message"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        pytest.param("pool", {"pool": "qwen9", "drained": True}, 404, "pocket-dense", id="pool"),
        pytest.param("pool", {"pool": DENSE, "drain": True}, 400, "drain", id="unknown field"),
        pytest.param("mode", {"force": "both"}, 400, "both", id="mode"),
        pytest.param("mode", {"force": "deep", "for_s": -1}, 400, "for_s", id="time"),
        pytest.param("key", {"revoke": "abc"}, 400, "8 to 64", id="short id"),
        pytest.param("key", {"revoke": "00000000"}, 404, "00000000", id="unknown id"),
    ],
)
async def test_a_wrong_order_is_told(
    ask: Ask, path: str, fields: dict[str, Any], status: int, said: str
) -> None:
    async with gateway(keys=KEYS) as url:
        got = await ask(url, path=f"/operator/{path}", **order(**fields))
    assert (got.status, said in got.error["message"]) == (status, True), got.error


async def test_each_order_is_one_line_of_audit_without_any_key(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with gateway(keys=KEYS) as url:
        await ask(url, path="/operator/pool", **order(pool=DENSE, drained=True))
        await ask(url, path="/operator/mode", **order(force="deep", for_s=60))
        await ask(url, path="/operator/mode", **order(force=None))
        await ask(url, path="/operator/key", **order(revoke=digest(SEARCH)[:12]))
    lines = [json.loads(r.message) for r in caplog.records if r.name == "bifocal.audit"]
    assert [(line["what"], line["before"], line["after"]) for line in lines] == [
        (f"pool/{DENSE}", None, "drained"),
        ("mode", None, "deep"),
        ("mode", "deep", None),
        (f"key/{digest(SEARCH)}", None, "revoked"),
    ]
    assert {line["key"] for line in lines} == {f"admin {digest(ADMIN)[:12]}"}
    assert all(line["request"].startswith("req-") and line["time"].endswith("Z") for line in lines)
    assert ADMIN not in caplog.text
    assert SEARCH not in caplog.text


async def test_a_revoked_key_stops_at_once(ask: Ask) -> None:
    async with serving(Peer([peers.said()])) as replica, gateway(replica, keys=KEYS) as url:
        assert (await ask(url, headers=AS_SEARCH)).status == 200
        await ask(url, path="/operator/key", **order(revoke=digest(SEARCH)[:12]))
        stopped = await ask(url, headers=AS_SEARCH)
        models = await ask(url, method="GET", path="/v1/models", headers=AS_SEARCH)
    assert (stopped.status, models.status) == (401, 401)
    assert "revoked" in stopped.error["message"]


def peering(me: str, ports: tuple[int, ...], token: str = "pools") -> Peering:
    return Peering.of(me, [("127.0.0.1", port) for port in ports], token)


def free_ports(count: int) -> tuple[int, ...]:
    return tuple(int(peers.closed_port().rpartition(":")[2]) for _ in range(count))


async def test_an_order_holds_for_every_gateway_and_for_one_that_starts_later(ask: Ask) -> None:
    a, b, c = ports = free_ports(3)
    async with (
        serving(Peer([peers.said()])) as replica,
        gateway(replica, keys=KEYS, port=a, peering=peering("a", ports)) as first,
        gateway(replica, keys=KEYS, port=b, peering=peering("b", ports)) as second,
    ):
        ordered = await ask(first, path="/operator/mode", **order(force="deep"))
        at_once = await ask(second, headers=AS_SEARCH)
        await ask(second, path="/operator/key", **order(revoke=digest(SEARCH)[:12]))
        revoked = await ask(first, headers=AS_SEARCH)
        async with gateway(replica, keys=KEYS, port=c, peering=peering("c", ports)) as third:
            started = await ask(third, headers=AS_ADMIN)
            stopped = await ask(third, headers=AS_SEARCH)
    assert ordered.json["gateways"] == {"all": 2, "agree": 2}
    assert at_once.headers["x-bifocal-reason"] == "forced deep"
    assert started.headers["x-bifocal-reason"] == "forced deep"
    assert (revoked.status, stopped.status) == (401, 401)


async def test_what_is_under_way_is_counted_over_all_gateways(ask: Ask) -> None:
    a, b = ports = free_ports(2)
    slow = Peer([peers.streamed(peers.ROLE, peers.delta(content="a"), 1.5, peers.ANSWER)])
    async with (
        serving(slow) as replica,
        gateway(replica, keys=KEYS, port=a, peering=peering("a", ports)) as first,
        gateway(replica, keys=KEYS, port=b, peering=peering("b", ports)) as second,
    ):
        running = asyncio.create_task(ask(second, headers=AS_SEARCH, model="fast", stream=True))
        await slow.arrived.wait()
        ordered = await ask(first, path="/operator/pool", **order(pool=DENSE, drained=True))
        await running
        began = time.monotonic()
        while (await show(ask, first))["pools"][DENSE]["requests"]:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.1)
    assert ordered.json["pools"][DENSE]["requests"] == 1


async def show(ask: Ask, url: str) -> Any:
    return (await ask(url, method="GET", path="/operator", headers=AS_ADMIN)).json


async def test_nobody_else_speaks_as_a_gateway(ask: Ask) -> None:
    (port,) = free_ports(1)
    forged = {
        "name": "x",
        "digest": "",
        "orders": [{"subject": "mode", "value": "deep", "at": time.time(), "by": "x"}],
    }
    body = json.dumps(forged).encode()
    theirs = {"authorization": f"Bearer {peering('x', (port,), 'other').token}", **JSON}
    async with gateway(keys=KEYS, port=port, peering=peering("a", (port,))) as url:
        strange = {"authorization": "Bearer \u00e9", **JSON}
        for headers in (theirs, strange, {**JSON, **AS_ADMIN}, JSON):
            assert (await ask(url, path="/operator/peer", data=body, headers=headers)).status == 401
        assert (await show(ask, url))["mode"] is None


NO_TEXT = b'{"name": "\xff", "digest": ""}'


async def test_what_is_no_text_is_no_word_of_a_gateway(ask: Ask) -> None:
    at = peering("a", free_ports(1))
    headers = {"authorization": f"Bearer {at.token}", **JSON}
    async with gateway(keys=KEYS, peering=at) as url:
        got = await ask(url, path="/operator/peer", data=NO_TEXT, headers=headers)
    assert (got.status, got.error["code"]) == (400, "malformed_request")


async def test_an_order_holds_and_is_audited_whatever_another_gateway_says(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bifocal.audit")

    async def babbles(scope: object, receive: object, send: peers.Send) -> None:
        await peers.whole(NO_TEXT)(send)

    async with serving(babbles) as other:
        at = peering("a", (int(other.rpartition(":")[2]),))
        async with gateway(keys=KEYS, peering=at) as url:
            ordered = await ask(url, path="/operator/mode", **order(force="deep"))
    assert ordered.status == 200
    assert [json.loads(line.message)["after"] for line in caplog.records] == ["deep"]


async def test_an_order_is_audited_before_anyone_is_told_of_it(
    ask: Ask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "bifocal.audit")
    audited: list[int] = []

    async def meets(self: Peers) -> None:
        audited.append(len(caplog.records))

    async with gateway(keys=KEYS, peering=peering("a", free_ports(1))) as url:
        monkeypatch.setattr(Peers, "meet", meets)
        await ask(url, path="/operator/mode", **order(force="deep"))
    assert audited[0] == 1


@asynccontextmanager
async def begun(url: str, path: str, *headers: str) -> AsyncIterator[asyncio.StreamReader]:
    """A request whose body never comes."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = (f"POST {path} HTTP/1.1", "content-type: application/json", "content-length: 9")
    writer.write("\r\n".join([*lines, *headers, "", ""]).encode())
    yield reader
    writer.close()


async def test_nobodys_body_is_waited_for() -> None:
    async with (
        gateway(keys=KEYS, peering=peering("a", free_ports(1))) as url,
        begun(url, "/operator/peer") as reader,
    ):
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 5)


@pytest.mark.parametrize("path", ["/operator/peer", "/operator/mode"])
async def test_a_body_that_does_not_come_is_not_waited_for_long(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "BODY_WITHIN_S", 0.2)
    at = peering("a", free_ports(1))
    secret = at.token if path == "/operator/peer" else ADMIN
    async with (
        gateway(keys=KEYS, peering=at) as url,
        begun(url, path, f"authorization: Bearer {secret}") as reader,
    ):
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


async def test_alone_there_is_no_door_for_others(ask: Ask) -> None:
    async with gateway(keys=KEYS) as url:
        got = await ask(url, path="/operator/peer", data=b"{}", headers={**JSON, **AS_ADMIN})
    assert got.status == 403


async def test_peers_that_are_away_stop_nobody(ask: Ask, client: aiohttp.ClientSession) -> None:
    at = Peering.of("a", [("127.0.0.1", free_ports(1)[0]), ("no.such.host.invalid", 1)], "pools")
    standing = StandingOrders()
    async with gateway(keys=KEYS, standing=standing, peering=at) as url:
        ordered = await ask(url, path="/operator/mode", **order(force="fast"))
    assert ordered.json["gateways"] == {"all": 1, "agree": 1}
