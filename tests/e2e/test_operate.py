"""An operator's hands on real engines: a pool is drained under a stream, `auto` is forced, and a
bundle has neither what was asked nor what opens anything."""

import json
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Service

pytestmark = pytest.mark.engine

TOKENS = 3000
CANARY = "canary-prompt-7319"


def ask(service: Service, path: str = "/v1/chat/completions", **body: Any) -> tuple[int, Any, Any]:
    """Status, headers, and the body."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(service.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def said(text: str = "What is the capital of France?", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


@contextmanager
def ordered(service: Service, order: tuple[str, ...], lifted: tuple[str, ...]) -> Iterator[str]:
    done = service.command(*order)
    try:
        assert done.returncode == 0, done.stderr
        yield done.stdout
    finally:
        assert service.command(*lifted).returncode == 0


def test_a_drained_pool_finishes_its_stream_and_takes_nothing_new(service: Service) -> None:
    answers: list[tuple[int, Any, str]] = []
    long = said(model="fast", stream=True, ignore_eos=True, max_tokens=TOKENS)
    stream = threading.Thread(target=lambda: answers.append(ask(service, **long)))
    stream.start()
    time.sleep(0.5)
    drain = ("pool", "drain", "pocket-dense")
    with ordered(service, drain, ("pool", "resume", "pocket-dense")) as told:
        assert "takes nothing new" in told
        code, headers, error = ask(service, **said(model="fast"))
        assert (code, json.loads(error)["error"]["code"]) == (503, "pool_drained")
        assert int(headers["retry-after"]) > 0
        assert ask(service, **said(model="deep", max_tokens=20))[0] == 200
        waited = service.command(*drain, "--wait", "--limit", "100", timeout_s=120)
        assert waited.stdout.splitlines()[-1] == "pocket-dense: 0 requests under way"
        stream.join(1)
        assert not stream.is_alive(), "empty, and yet a stream goes on"
        assert "drained  pocket-dense" in service.command("status").stdout
    status, _, text = answers[0]
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    pieces = [choice for event in events for choice in event["choices"]]
    assert (status, pieces[-1]["finish_reason"]) == (200, "length"), "it was not cut"
    assert text.rstrip().endswith("data: [DONE]")
    assert ask(service, **said(model="fast", max_tokens=20))[0] == 200


def test_auto_goes_where_it_is_forced_to(service: Service) -> None:
    with ordered(service, ("mode", "force", "deep", "--for", "10m"), ("mode", "force", "off")):
        _, headers, answer = ask(service, **said(max_tokens=400))
        assert (headers["x-bifocal-model"], headers["x-bifocal-reason"]) == (
            "pocket-moe",
            "forced deep",
        )
        assert json.loads(answer)["choices"][0]["message"]["reasoning"]
        assert "auto goes deep until" in service.command("status").stdout
        metrics = urllib.request.urlopen(f"{service.url}/metrics", timeout=30).read().decode()
        assert 'bifocal_mode_forced{mode="deep"} 1.0' in metrics
        assert ask(service, **said(model="fast", max_tokens=5))[1]["x-bifocal-model"] == (
            "pocket-dense"
        ), "whoever names a model gets it"
    assert ask(service, **said(max_tokens=5))[1]["x-bifocal-model"] == "pocket-dense"


def test_a_bundle_tells_much_and_no_prompt_and_no_secret(service: Service, tmp_path: Path) -> None:
    """Prompts that are answered, that engines refuse, and that never get there."""
    ask(service, **said(f"{CANARY}: what is 7 + 8?", max_tokens=20))
    ask(service, path="/v1/completions", model="fast", prompt=CANARY, max_tokens=5)
    assert ask(service, **said(f"{CANARY} " * 3000, model="fast"))[0] == 400
    assert ask(service, **said(CANARY, nonsense=CANARY))[0] == 400
    schema = {"type": "json_schema", "json_schema": {"name": CANARY, "schema": {"type": CANARY}}}
    ask(service, **said(CANARY, model="fast", max_tokens=5, response_format=schema))
    archive = tmp_path / "bundle.tar.gz"
    done = service.command("bundle", "--out", str(archive), timeout_s=120)
    assert done.returncode == 0, done.stderr
    files = unpacked(archive)
    assert all(name in done.stdout for name in files if name != "contents.txt")
    together = "\n".join(files.values())
    for secret in (CANARY, service.pool_token, service.ray_token):
        assert secret not in together
    assert {"machine.json", "cluster.yaml", "plan.json", "doctor.json"} <= files.keys()
    assert 'reason="short and simple"' in files["service/decisions.txt"]
    assert "pool pocket-dense: ready" in files["logs/service/gateway.log"]
    ray = [text for name, text in files.items() if name.startswith("logs/ray/")]
    assert any("EngineCore" in text for text in ray), "vLLM's own lines are there"
    assert archive.stat().st_size < 16 * 1024**2


def unpacked(archive: Path) -> dict[str, str]:
    found = {}
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            stream = packed.extractfile(member)
            assert stream is not None
            found[member.name.partition("/")[2]] = stream.read().decode()
    return found
