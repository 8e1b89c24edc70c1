"""A page that a browser shows does not reach an endpoint without keys by a name of its own."""

import hashlib

import pytest

from serving.gateway.hosts import is_ours
from serving.keys import KeyRecord, KeyRing
from serving.values import Team
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import gateway

KEY = "bf-" + "k" * 43
KEYS = KeyRing.of([KeyRecord(Team("search"), hashlib.sha256(KEY.encode()).hexdigest())])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3:1", "[::1]:8000"],
)
def test_names_of_this_machine(host: str) -> None:
    assert is_ours(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1:8000",
        "0.0.0.0",
        "[::]:8000",
        "[localhost]",
        "evil.example:127.0.0.1",
        "",
        "\xe9",
    ],
)
def test_other_names(host: str) -> None:
    assert not is_ours(host.encode("latin-1"))


@pytest.mark.parametrize("path", ["/operator", "/v1/models", "/metrics", "/health", "/nothing"])
async def test_without_keys_nothing_answers_to_a_strange_name(ask: Ask, path: str) -> None:
    async with gateway() as url:
        got = await ask(url, method="GET", path=path, headers={"host": "evil.example:8000"})
        ours = await ask(url, method="GET", path="/operator", headers={"host": "localhost:8000"})
    assert (got.status, got.error["code"]) == (403, "not_allowed")
    assert "'evil.example:8000'" in got.error["message"]
    assert "gateway.keys" in got.error["message"]
    assert ours.status == 200


async def test_with_keys_the_name_is_nobodys_business(ask: Ask) -> None:
    headers = {"host": "llm.example", "x-api-key": KEY}
    async with gateway(keys=KEYS) as url:
        assert (await ask(url, method="GET", path="/v1/models", headers=headers)).status == 200
