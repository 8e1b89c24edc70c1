"""Routes, methods, errors before a body is read, and what the endpoint says of itself."""

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest

from serving.gateway import FixedSource
from serving.keys import METRICS, KeyRecord, KeyRing
from serving.values import Team
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import Peer, Recorder, gateway, serving

KEY = "bf-" + "k" * 43
SCRAPERS = "bf-" + "m" * 43


def record(secret: str, team: str, *scopes: str) -> KeyRecord:
    return KeyRecord(
        Team(team), hashlib.sha256(secret.encode()).hexdigest(), None, frozenset(scopes)
    )


KEYS = KeyRing.of([record(KEY, "search"), record(SCRAPERS, "scraper", METRICS)])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/v1/nothing", 404, "unknown_path", id="no such path"),
        pytest.param("GET", "/v1/chat/completions", 405, "method_not_allowed", id="GET"),
        pytest.param("DELETE", "/v1/models", 405, "method_not_allowed", id="DELETE"),
        pytest.param("GET", "/v1/models/qwen9", 404, "model_not_found", id="no such model"),
        pytest.param("POST", "/invocations", 404, "unknown_path", id="an engine's own path"),
    ],
)
async def test_a_wrong_address_is_told_in_openais_shape(
    ask: Ask, method: str, path: str, status: int, code: str
) -> None:
    async with gateway() as url:
        got = await ask(url, method=method, path=path)
    assert (got.status, got.error["code"]) == (status, code)
    assert got.headers["x-request-id"].startswith("req-")


async def test_a_wrong_method_is_told_which_are_right(ask: Ask) -> None:
    async with gateway() as url:
        got = await ask(url, method="PUT", path="/v1/models")
        options = await ask(url, method="OPTIONS", path="/v1/models")
    assert got.headers["allow"] == options.headers["allow"] == "GET, HEAD, OPTIONS"
    assert options.status == 200


async def test_head_is_get_without_a_body(ask: Ask) -> None:
    async with gateway() as url:
        got = await ask(url, method="HEAD", path="/health")
    assert (got.status, got.body) == (200, b"")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"authorization": f"Bearer {KEY}"}, id="bearer"),
        pytest.param({"authorization": f"bearer  {KEY}"}, id="in small letters"),
        pytest.param({"x-api-key": KEY}, id="x-api-key"),
    ],
)
async def test_a_key_opens_the_endpoint(ask: Ask, headers: dict[str, str]) -> None:
    observer = Recorder()
    async with (
        serving(Peer([peers.said()])) as replica,
        gateway(replica, keys=KEYS, observer=observer) as url,
    ):
        assert (await ask(url, headers=headers)).status == 200
    assert (await observer.last()).team == "search"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no key"),
        pytest.param({"authorization": f"Bearer {KEY}x"}, id="another key"),
        pytest.param({"authorization": f"Basic {KEY}"}, id="another scheme"),
        pytest.param({"authorization": "Bearer"}, id="an empty key"),
        pytest.param({"x-api-key": "ké"}, id="strange letters"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_without_a_good_key_it_is_401(ask: Ask, headers: dict[str, str], path: str) -> None:
    observer = Recorder()
    async with gateway(keys=KEYS, observer=observer) as url:
        got = await ask(url, path=path, headers=headers)
    assert (got.status, got.error["type"]) == (401, "authentication_error")
    assert got.headers["www-authenticate"] == "Bearer"
    assert (await observer.last()).team == "unknown"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/auto", "/metrics"])
async def test_what_tells_of_models_and_teams_needs_a_key(ask: Ask, path: str) -> None:
    async with gateway(keys=KEYS) as url:
        assert (await ask(url, method="GET", path=path)).status == 401
        opened = await ask(url, method="GET", path=path, headers={"x-api-key": KEY})
    assert opened.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/metrics", 200, id="the gateway's metrics"),
        pytest.param("GET", "/metrics/targets", 200, id="which replicas there are"),
        pytest.param("GET", "/metrics/replica?model=a&replica=b", 404, id="one's page"),
        pytest.param("GET", "/v1/models", 403, id="models"),
        pytest.param("GET", "/v1/models/auto", 403, id="a model"),
        pytest.param("POST", "/v1/chat/completions", 403, id="a conversation"),
        pytest.param("POST", "/v1/completions", 403, id="a bare prompt"),
        pytest.param("GET", "/operator", 403, id="an operator's"),
    ],
)
async def test_a_key_for_metrics_alone_opens_nothing_else(
    ask: Ask, method: str, path: str, status: int
) -> None:
    async with gateway(keys=KEYS) as url:
        got = await ask(url, method=method, path=path, headers={"x-api-key": SCRAPERS})
    assert got.status == status
    if path.startswith("/v1"):
        assert "this key reads metrics and nothing else" in got.error["message"]


async def test_a_question_with_a_key_for_metrics_is_counted_as_its_teams(ask: Ask) -> None:
    observer = Recorder()
    async with gateway(keys=KEYS, observer=observer) as url:
        await ask(url, headers={"x-api-key": SCRAPERS})
    counted = await observer.last()
    assert (counted.team, counted.error_code) == ("scraper", "not_allowed")


async def test_health_and_readiness_need_no_key(ask: Ask) -> None:
    async with gateway(keys=KEYS) as url:
        assert (await ask(url, method="GET", path="/health")).status == 200
        assert (await ask(url, method="GET", path="/ready")).status == 503


async def test_the_models_are_listed_with_what_they_can_do(ask: Ask) -> None:
    async with serving(Peer([peers.said()])) as replica, gateway(replica) as url:
        listed = (await ask(url, method="GET", path="/v1/models")).json
        alone = (await ask(url, method="GET", path="/v1/models/bifocal/pocket-moe")).json
    entries = {entry["id"]: entry for entry in listed["data"]}
    assert entries.keys() == {"pocket-dense", "pocket-moe", "auto", "fast", "deep"}
    assert listed["object"] == "list"
    assert alone == entries["pocket-moe"]
    dense = entries["pocket-dense"]
    assert (dense["object"], dense["owned_by"], dense["context"]) == ("model", "bifocal", 4096)
    assert (dense["ready"], dense["reason"]) == (True, None)
    assert set(dense["modes"]) == set(entries["auto"]["modes"]) == {"plain", "thinking"}
    assert dense["aliases"] == ["bifocal/pocket-dense"]


async def test_a_model_that_is_not_ready_says_why(ask: Ask) -> None:
    async with gateway() as url:
        listed = (await ask(url, method="GET", path="/v1/models")).json
    entries = {entry["id"]: entry for entry in listed["data"]}
    assert entries["pocket-moe"]["reason"] == "it has no replica now"
    assert entries["fast"]["reason"] == "pocket-dense: it has no replica now"


async def test_ready_means_every_pool_and_any_means_one(ask: Ask) -> None:
    async with serving(Peer([peers.said()])) as replica:
        source = FixedSource({peers.DENSE: [replica], peers.MOE: []})
        async with gateway(sources=[source]) as url:
            every = await ask(url, method="GET", path="/ready")
            one = await ask(url, method="GET", path="/ready?any")
    assert (every.status, every.json["pools"]["pocket-moe"]["ready"]) == (503, False)
    assert (one.status, one.json["ready"]) == (200, True)


async def test_a_pool_without_replicas_is_503_with_the_seconds_expected(ask: Ask) -> None:
    observer = Recorder()
    async with gateway(observer=observer) as url:
        got = await ask(url, model="pocket-moe")
    assert (got.status, got.error["code"]) == (503, "pool_loading")
    assert int(got.headers["retry-after"]) > 0
    assert (await observer.last()).outcome == "rejected"


async def test_the_metrics_are_the_observers(ask: Ask) -> None:
    async with gateway() as url:
        got = await ask(url, method="GET", path="/metrics")
    assert (got.body, got.headers["content-type"]) == (b"requests 1\nreplicas 0\n", "text/plain")


async def test_a_surprise_is_an_error_without_its_words(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    words = "canary-" + "in-an-exception"

    class Surprised(Recorder):
        def on(self, event: Any) -> None:
            super().on(event)
            if event in self.routed:
                raise RuntimeError(words)

    observer = Surprised()
    async with gateway(observer=observer) as url:
        got = await ask(url)
    assert (got.status, got.error["code"]) == (500, "internal_error")
    assert got.headers["x-request-id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert words not in caplog.text + got.body.decode()
    assert (await observer.last()).error_code == "internal_error"


SANE = [
    pytest.param("my-run.7_B", id="sane"),
    pytest.param("a" * 128, id="as long as it may be"),
]
ODD = [
    pytest.param("a" * 129, id="too long"),
    pytest.param("", id="empty"),
    pytest.param("a b", id="a space"),
    pytest.param("a/b", id="a slash"),
    pytest.param("caf\u00e9", id="not of ASCII"),
]


@pytest.mark.parametrize("given", SANE)
async def test_a_clients_own_request_id_goes_on_and_comes_back(ask: Ask, given: str) -> None:
    peer = Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, headers={"x-request-id": given})
    assert got.headers["x-request-id"] == peer.received[0].headers["x-request-id"] == given


@pytest.mark.parametrize("given", ODD)
async def test_a_request_id_that_is_not_fit_for_a_log_is_replaced(ask: Ask, given: str) -> None:
    peer = Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica) as url:
        got = await ask(url, headers={"x-request-id": given})
    fresh = got.headers["x-request-id"]
    assert fresh.startswith("req-")
    assert peer.received[0].headers["x-request-id"] == fresh


async def test_the_clients_key_stays_here(ask: Ask) -> None:
    peer = Peer([peers.said()])
    async with serving(peer) as replica, gateway(replica, keys=KEYS) as url:
        got = await ask(url, headers={"x-api-key": KEY, "cookie": "a=b"})
    sent = peer.received[0].headers
    assert sent["x-request-id"] == got.headers["x-request-id"]
    assert sent["user-agent"] == "bifocal"
    assert not {"authorization", "x-api-key", "cookie"} & sent.keys()


async def test_a_raw_request_that_stops_amid_its_body_holds_nothing(
    client: aiohttp.ClientSession, ask: Ask
) -> None:
    observer = Recorder()
    async with gateway(observer=observer) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            "content-type: application/json\r\ncontent-length: 100\r\n\r\n"
        )
        writer.write(head.encode() + json.dumps({"messages": []})[:5].encode())
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        record = await observer.last()
    assert (record.outcome, observer.now) == ("aborted", 0)
