"""The gateway of a release starts as it is stored, and `helm test` asks it."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.install.helm import PROFILES, Helm, Manifest
from tests.install.server import ApiServer
from tests.install.stored import RELEASE, Stored, gateway, status, variables, wait_for

POCKET = next(path for path in PROFILES if path.stem == "pocket")
HELD = "hold me"
"""A question that is not answered before it is let go."""


def test_the_gateway_starts_as_it_is_stored(helm: Helm, server: ApiServer, tmp_path: Path) -> None:
    with gateway(helm, server, "starts", helm.values(POCKET), tmp_path) as stored:
        readiness = stored.container["readinessProbe"]["httpGet"]["path"]
        assert status(stored.url + readiness) == 503, "no pool is there"
        assert status(stored.url + "/v1/models") == 401
        assert status(stored.url + "/v1/models", stored.keys["admin"]) == 200
        for path, answered in (("/metrics", 200), ("/metrics/targets", 200), ("/v1/models", 403)):
            assert status(stored.url + path, stored.keys["metrics"]) == answered
        stored.process.send_signal(signal.SIGTERM)
        assert stored.process.wait(30) == 0


class Engine(ThreadingHTTPServer):
    """Of a pool with fixed targets: answers as a replica does, counting as it likes."""

    forgets_thoughts = False

    def __init__(self) -> None:
        self.held, self.let_go = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Replica)


class Replica(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": []})

    def do_POST(self) -> None:
        engine = self.server
        assert isinstance(engine, Engine)
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked["messages"][-1]["content"] == HELD:
            engine.held.set()
            engine.let_go.wait(60)
        thinks = asked["chat_template_kwargs"]["enable_thinking"] and not engine.forgets_thoughts
        message = {"role": "assistant", "content": "5789", "reasoning": "carry" if thinks else None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"]}
        self._answer({**whole, "choices": [choice], "usage": usage})

    def _answer(self, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Engine]:
    with Engine() as engine:
        thread = threading.Thread(target=engine.serve_forever)
        thread.start()
        try:
            yield engine
        finally:
            engine.let_go.set()
            engine.shutdown()
            thread.join()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving() as found:
        yield found


def of_targets(engine: Engine, **limits: Any) -> Manifest:
    """Values whose pools are that one engine."""
    target = f"http://127.0.0.1:{engine.server_address[1]}"
    models = {name: {"targets": [target]} for name in ("pocket-dense", "pocket-moe")}
    return {"models": models, "gateway": {"limits": limits}}


def trial(helm: Helm, stored: Stored) -> "subprocess.CompletedProcess[str]":
    """`helm test`'s pod, as the release has it, before that gateway."""
    there = replace(helm, kubeconfig=stored.server.kubeconfig)
    hooks = there("get", "hooks", RELEASE, "--namespace", stored.namespace)
    (pod,) = [found for found in yaml.safe_load_all(hooks) if found]
    assert (pod["kind"], pod["metadata"]["annotations"]["helm.sh/hook"]) == ("Pod", "test")
    (container,) = pod["spec"]["containers"]
    env = {**os.environ, **variables(stored.server, stored.namespace, container)}
    command = [sys.executable, *container["command"][1:]]
    assert env["BIFOCAL_URL"] == "http://llm-bifocal", "the gateway's Service"
    env["BIFOCAL_URL"] = stored.url
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_helms_test_asks_for_both_depths_and_looks_whether_they_are_metered(
    helm: Helm, server: ApiServer, tmp_path: Path, engine: Engine
) -> None:
    values = helm.values(POCKET, of_targets(engine))
    with gateway(helm, server, "trial", values, tmp_path) as stored:
        wait_for(stored.url + "/ready?any")
        done = trial(helm, stored)
        assert done.returncode == 0, done.stderr
        thought, plain = (json.loads(line) for line in done.stdout.splitlines())
        assert (thought["thinking"], plain["thinking"]) == ("on", "off")
        assert (thought["prompt_tokens"], thought["completion_tokens"]) == (21, 9)
        engine.forgets_thoughts = True
        done = trial(helm, stored)
        assert (done.returncode, done.stdout) == (1, "")
        assert "thinking True was asked for" in done.stderr


def test_one_more_than_the_gateway_takes_is_told_to_come_again(
    helm: Helm, server: ApiServer, tmp_path: Path, engine: Engine
) -> None:
    values = helm.values(POCKET, of_targets(engine, concurrentRequests=1))
    with gateway(helm, server, "full", values, tmp_path) as stored:
        wait_for(stored.url + "/ready?any")
        first = threading.Thread(target=ask, args=(stored, HELD))
        first.start()
        assert engine.held.wait(30)
        code, headers = ask(stored, "And I?")
        assert code == 429
        assert int(headers["retry-after"]) > 0
        engine.let_go.set()
        first.join(30)
        assert ask(stored, "And now?")[0] == 200


def ask(stored: Stored, question: str) -> tuple[int, dict[str, str]]:
    body = {"model": "fast", "messages": [{"role": "user", "content": question}]}
    headers = {
        "authorization": f"Bearer {stored.keys['admin']}",
        "content-type": "application/json",
    }
    url = f"{stored.url}/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        error.read()
        return error.code, {key.lower(): value for key, value in error.headers.items()}
