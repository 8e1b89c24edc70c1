"""The door of real replicas, at their own ports and through Serve's proxy."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.pools.door import PATHS
from tests.e2e.conftest import POOLS, Service, until

pytestmark = pytest.mark.engine

ROUTES = """
import argparse, json
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs
from vllm.entrypoints.openai.api_server import build_app
args = argparse.Namespace(**(vars(FrontendArgs()) | vars(AsyncEngineArgs(model="x"))))
app = build_app(args, supported_tasks=("generate",), model_config=None)
print(json.dumps([(r.path, sorted(getattr(r, "methods", None) or ["GET"])) for r in app.routes]))
"""
"""vLLM's own table, with what a replica closes by other means still in it."""


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    """(method, path), and some that no table holds."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTES], capture_output=True, text=True, check=True
    )
    table = json.loads(told.stdout.splitlines()[-1])
    found = [(method, path) for path, methods in table for method in methods]
    assert len(found) > 20
    return [*found, ("GET", "/"), ("GET", ""), ("POST", "/v1/adapters"), ("OPTIONS", "/v1/models")]


@pytest.fixture(params=["own port", "proxy"])
def base(request: pytest.FixtureRequest, service: Service) -> str:
    pool = "pocket-dense"
    return service.replicas(pool)[0] if request.param == "own port" else service.through_proxy(pool)


def ask(
    url: str, token: str | None, *, method: str = "GET", body: Any = None
) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request(method, parts.path, json.dumps(body or {}), headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def chat(url: str, token: str, **changes: Any) -> tuple[HTTPResponse, bytes]:
    body = {
        "model": urlsplit(url).path.split("/")[2],
        "messages": [{"role": "user", "content": "4812 + 977 + 60551"}],
        "max_tokens": 40,
        "temperature": 1.0,
        "seed": 1,
    }
    return ask(f"{url}/v1/chat/completions", token, method="POST", body=body | changes)


@pytest.mark.parametrize("token", [None, "wrong"], ids=["no token", "wrong token"])
def test_no_route_answers_without_the_token_but_health(
    base: str, routes: list[tuple[str, str]], token: str | None
) -> None:
    answers = {
        (method, path): ask(base + path, token, method=method)[0].status for method, path in routes
    }
    assert answers.pop(("GET", "/health")) == 200
    assert set(answers.values()) == {401}, answers


def test_with_the_token_only_what_the_gateway_uses_is_there(
    service: Service, base: str, routes: list[tuple[str, str]]
) -> None:
    unused = [route for route in routes if route[1] not in PATHS]
    statuses = {
        route: ask(base + route[1], service.pool_token, method=route[0])[0].status
        for route in unused
    }
    assert set(statuses.values()) == {404}, statuses


@pytest.mark.parametrize("pool", POOLS)
def test_every_answer_tells_the_load_to_who_has_the_token(service: Service, pool: str) -> None:
    url = service.replicas(pool)[0]
    assert load_of(url, service.pool_token) == "running=0;waiting=0;kv=0.000"
    assert load_of(url, None) == ""


def test_the_load_is_the_engines_own(service: Service) -> None:
    """Three answers of one request: the gateway would count one, the engine runs three."""
    url = service.replicas("pocket-dense")[0]
    with long_answers(url, service.pool_token, count=3):
        until(lambda: "running=3;" in load_of(url, service.pool_token))
    until(lambda: "running=0;" in load_of(url, service.pool_token))


@contextmanager
def long_answers(url: str, token: str, *, count: int) -> Iterator[None]:
    """They are being written while the block runs; then the client hangs up."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    body = {
        "model": parts.path.split("/")[2], "prompt": "1 2 3", "stream": True, "n": count,
        "max_tokens": 3000, "ignore_eos": True,
    }  # fmt: skip
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    connection.request("POST", f"{parts.path}/v1/completions", json.dumps(body), headers)
    response = connection.getresponse()
    try:
        yield
    finally:
        response.close()
        connection.close()


def load_of(url: str, token: str | None) -> str:
    return ask(f"{url}/health", token)[0].getheader("x-bifocal-load") or ""


def test_reasoning_has_both_names(service: Service) -> None:
    _, body = chat(service.replicas("pocket-moe")[0], service.pool_token)
    message = json.loads(body)["choices"][0]["message"]
    assert message["reasoning"]
    assert message["reasoning_content"] == message["reasoning"]


def test_reasoning_has_both_names_in_a_stream(service: Service) -> None:
    response, body = chat(service.replicas("pocket-moe")[0], service.pool_token, stream=True)
    assert (response.getheader("content-type") or "").startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    deltas = [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]
    reasoned = [delta for delta in deltas if "reasoning" in delta]
    assert reasoned
    assert all(delta["reasoning_content"] == delta["reasoning"] for delta in reasoned)


def test_ray_tells_nobody_the_token_and_asks_for_its_own(service: Service) -> None:
    told = json.dumps(service.applications())
    assert service.pool_token not in told
    assert ask(f"{service.ray_url}/api/serve/applications/", None)[0].status == 401
    for path in ("/api/jobs/", "/nodes?view=summary", "/api/actors"):
        assert ask(service.ray_url + path, None)[0].status == 401
