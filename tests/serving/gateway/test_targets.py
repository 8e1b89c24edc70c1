"""Where the replicas are: Ray's answers, read defensively, and kept when Ray is away."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from serving.gateway.targets import (
    FixedSource,
    PoolState,
    PoolStatus,
    RaySource,
    SourceUnavailable,
    parse_applications,
)
from serving.values import ModelName, Target, TargetId
from tests.serving.gateway import peers
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import DENSE, MOE, Peer, gateway, serving


def group(name: str, *ports: int, **fields: Any) -> dict[str, Any]:
    targets = [
        {"ip": "127.0.0.1", "port": port, "instance_id": "i", "name": f"r{port}"} for port in ports
    ]
    return {
        "targets": targets,
        "route_prefix": f"/pools/{name}",
        "protocol": "HTTP",
        "app_name": name,
        **fields,
    }


def application(status: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    return {"status": status, "message": "", "last_deployed_time_s": 5.0, **fields}


def answer(apps: Mapping[str, Any], *groups: Any) -> bytes:
    return json.dumps({"applications": apps, "target_groups": groups}).encode()


def test_the_replicas_of_a_pool_are_its_http_targets() -> None:
    body = answer(
        {DENSE: application()},
        group(DENSE, 30000, 30001),
        group(DENSE, 40000, protocol="gRPC"),
        group("", 8000, route_prefix="/"),
    )
    assert parse_applications(body) == {
        DENSE: PoolStatus(
            PoolState.RUNNING,
            (
                Target(
                    TargetId("r30000@127.0.0.1:30000"), "http://127.0.0.1:30000/pools/pocket-dense"
                ),
                Target(
                    TargetId("r30001@127.0.0.1:30001"), "http://127.0.0.1:30001/pools/pocket-dense"
                ),
            ),
            since=5.0,
        )
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NOT_STARTED", PoolState.LOADING),
        ("DEPLOYING", PoolState.LOADING),
        ("RUNNING", PoolState.RUNNING),
        ("UNHEALTHY", PoolState.RUNNING),
        ("DEPLOY_FAILED", PoolState.FAILED),
        ("DELETING", PoolState.MISSING),
        ("SOMETHING_NEW", PoolState.UNKNOWN),
    ],
)
def test_an_applications_status_is_the_pools_state(status: str, state: PoolState) -> None:
    found = parse_applications(answer({DENSE: application(status, message="why")}))
    assert (found[DENSE].state, found[DENSE].message) == (state, "why")


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"targets": "none"}, id="targets are no list"),
        pytest.param("text", id="no group"),
        pytest.param(group(MOE, 1) | {"targets": [{"ip": "a"}]}, id="no port"),
    ],
)
def test_a_group_that_cannot_be_read_spoils_none_of_the_others(odd: object) -> None:
    found = parse_applications(answer({DENSE: application()}, odd, group(DENSE, 30000)))
    assert len(found[DENSE].targets) == 1


def test_serves_proxy_is_no_replica_though_ray_names_it_where_there_is_none() -> None:
    proxy = group(DENSE) | {
        "targets": [{"ip": "127.0.0.1", "port": 8100, "name": "SERVE_PROXY_ACTOR-0a1b"}]
    }
    body = answer({DENSE: application("DEPLOYING")}, proxy)
    assert parse_applications(body)[DENSE].targets == ()
    assert len(parse_applications(body, sleep={DENSE})[DENSE].targets) == 1


@pytest.mark.parametrize(
    ("status", "deployments", "complete"),
    [
        pytest.param("DEPLOYING", {}, False, id="it is being built"),
        pytest.param("DEPLOY_FAILED", {}, False, id="it could not be built"),
        pytest.param("DEPLOYING", {"engine": {}}, True, id="its replicas are replaced"),
        pytest.param("RUNNING", {"engine": {}}, True, id="it runs"),
        pytest.param("DELETING", {}, True, id="it goes"),
    ],
)
def test_of_an_application_that_is_built_anew_ray_names_no_replica(
    status: str, deployments: dict[str, Any], complete: bool
) -> None:
    found = parse_applications(answer({DENSE: application(status, deployments=deployments)}))
    assert found[DENSE].complete is complete


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"applications": 5}'])
def test_an_answer_that_is_not_rays_is_no_answer(body: bytes) -> None:
    with pytest.raises(SourceUnavailable):
        parse_applications(body)


def test_an_address_of_ipv6_is_put_in_brackets() -> None:
    body = answer({DENSE: application()}, group(DENSE) | {"targets": [{"ip": "::1", "port": 5}]})
    assert parse_applications(body)[DENSE].targets[0].url == "http://[::1]:5/pools/pocket-dense"


@pytest.mark.parametrize("url", ["http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/"])
async def test_a_fixed_address_may_be_a_base_url(client: aiohttp.ClientSession, url: str) -> None:
    found = await FixedSource({DENSE: [url]}).pools(client)
    assert found[DENSE].targets == (Target(TargetId("http://a:1"), "http://a:1"),)


class Ray:
    """Answers as Ray's dashboard does, or not at all."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.away = False
        self.asked: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == "/api/serve/applications/"
        self.asked.append({k.decode(): v.decode() for k, v in scope["headers"]})
        await peers.whole(b"" if self.away else self.body, 503 if self.away else 200)(send)


async def test_ray_is_asked_with_its_token_and_a_pool_it_does_not_know_is_missing(
    client: aiohttp.ClientSession,
) -> None:
    ray = Ray(answer({DENSE: application(), "foreign": application()}))
    async with serving(ray) as url:
        found = await RaySource([DENSE, MOE], url, "ray-secret").pools(client)
    assert ray.asked[0]["authorization"] == "Bearer ray-secret"
    assert {name: status.state for name, status in found.items()} == {
        DENSE: PoolState.RUNNING,
        MOE: PoolState.MISSING,
    }


def at(replica: str, name: ModelName) -> dict[str, Any]:
    return group(name, int(replica.rsplit(":", 1)[1]))


async def test_replicas_come_are_kept_while_ray_is_away_and_go(ask: Ask) -> None:
    peer = Peer([peers.said()])
    ray = Ray(answer({DENSE: application("DEPLOYING"), MOE: application("DEPLOY_FAILED")}))
    async with serving(peer) as replica, serving(ray) as dashboard:
        source = RaySource([DENSE, MOE], dashboard)
        async with gateway(sources=[source]) as url:
            loading = await ask(url)
            failed = await ask(url, model="pocket-moe")
            ray.body = answer({DENSE: application()}, at(replica, DENSE))
            await asyncio.sleep(0.3)
            ready = await ask(url)
            ray.away = True
            await asyncio.sleep(0.3)
            kept = await ask(url)
            ray.away, ray.body = False, answer({MOE: application("DEPLOYING")})
            await asyncio.sleep(0.3)
            gone = await ask(url)
    assert (loading.status, loading.error["code"]) == (503, "pool_loading")
    assert (failed.status, failed.error["code"]) == (503, "engine_unavailable")
    assert (ready.status, kept.status, gone.status) == (200, 200, 503)
    assert peer.received[0].path == "/pools/pocket-dense/v1/chat/completions"


KNOWN = answer({DENSE: application(), MOE: application()}, group(DENSE, 1), group(MOE, 2))
EMPTY = answer({})
"""As Ray's dashboard answers, with 200, when Serve's controller is gone."""
ONE_LEFT = answer({MOE: application()}, group(MOE, 2))
LOADING = answer({DENSE: application("DEPLOYING"), MOE: application("DEPLOYING")})


@pytest.mark.parametrize(
    ("answers", "replicas"),
    [
        pytest.param([KNOWN, EMPTY], None, id="the controller is gone"),
        pytest.param([KNOWN, EMPTY, EMPTY], None, id="and stays away"),
        pytest.param([KNOWN, ONE_LEFT], {DENSE: 0, MOE: 1}, id="one pool was deleted"),
        pytest.param([KNOWN, EMPTY, ONE_LEFT], {DENSE: 0, MOE: 1}, id="meanwhile"),
        pytest.param([KNOWN, LOADING], {DENSE: 0, MOE: 0}, id="all are deployed anew"),
        pytest.param([EMPTY], {DENSE: 0, MOE: 0}, id="none was deployed yet"),
        pytest.param([LOADING, EMPTY], {DENSE: 0, MOE: 0}, id="none had replicas"),
    ],
)
async def test_an_answer_without_any_application_is_none_where_there_were_replicas(
    client: aiohttp.ClientSession, answers: list[bytes], replicas: dict[ModelName, int] | None
) -> None:
    """None: the last answer does not count, and what was known stays."""
    ray = Ray(b"")
    async with serving(ray) as url:
        source = RaySource([DENSE, MOE], url)
        for body in answers:
            ray.body, found = body, None
            with contextlib.suppress(SourceUnavailable):
                found = await source.pools(client)
    counted = (
        None if found is None else {name: len(status.targets) for name, status in found.items()}
    )
    assert counted == replicas


async def test_the_pools_token_goes_to_the_replicas_that_ray_named_and_to_nobody_else(
    ask: Ask,
) -> None:
    ours, foreign = Peer([peers.said()]), Peer([peers.said()])
    async with serving(ours) as replica, serving(foreign) as fixed:
        ray = Ray(answer({DENSE: application()}, at(replica, DENSE)))
        async with serving(ray) as dashboard:
            pools = RaySource([DENSE], dashboard, pool_token="pool-secret")
            async with gateway(sources=[pools, FixedSource({MOE: [fixed]})]) as url:
                assert (await ask(url, model=DENSE)).status == 200
                assert (await ask(url, model=MOE)).status == 200
    assert ours.received[0].headers["authorization"] == "Bearer pool-secret"
    assert "authorization" not in foreign.received[0].headers
    assert "authorization" not in ray.asked[0]


async def test_a_fixed_pool_gets_the_token_that_is_its_own(client: aiohttp.ClientSession) -> None:
    found = await FixedSource({DENSE: ["http://a"], MOE: ["http://b"]}, {MOE: "m"}).pools(client)
    assert {name: status.targets[0].token for name, status in found.items()} == {
        DENSE: None,
        MOE: "m",
    }


def test_a_target_shows_its_token_to_no_log() -> None:
    assert "secret" not in repr(Target(TargetId("a"), "http://a", "secret"))


async def test_a_replica_that_failed_is_left_out_until_it_answers_again(ask: Ask) -> None:
    bad = Peer([peers.refused("boom", 500)], healthy=False)
    good = Peer([peers.said()])
    async with serving(bad) as one, serving(good) as two, gateway(one, two) as url:
        for _ in range(8):
            assert (await ask(url)).status == 200
            await asyncio.sleep(0.05)  # the loop probes it meanwhile, and it is not well
        tried_while_failing = len(bad.received)
        bad.healthy, bad.script = True, [peers.said()]
        await asyncio.sleep(0.4)
        for _ in range(8):
            await ask(url)
    assert tried_while_failing == 1
    assert len(bad.received) > 1
