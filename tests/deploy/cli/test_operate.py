"""An operator's verbs against the real command's gateway: processes, files and HTTP as they are.

No engine runs: what was decided stands in the headers of the 503, too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.keys import line_of
from serving.keys import OPERATE, NewKey, new_key

pytestmark = pytest.mark.process

ADMIN = new_key("admin", None, 0.0, scopes=(OPERATE,))
SEARCH = new_key("search", None, 0.0)
OTHER = new_key("other", None, 0.0)
WITHIN_S = 5.0
"""What a revoked key is promised to stop in."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """Gateways of one machine: each an own process and port, one file of keys, one of orders."""

    def __init__(self, folder: Path, count: int = 1) -> None:
        self.keys, self.orders = folder / "keys.yaml", folder / "orders.json"
        self.config, self.log = folder / "bifocal.yaml", folder / "log"
        self.write_keys(ADMIN, SEARCH, OTHER)
        # Pools that nobody runs.
        pools = {name: {"on": "cpu", "targets": [f"http://127.0.0.1:{free_port()}"]}
                 for name in ("pocket-dense", "pocket-moe")}  # fmt: skip
        cluster = {
            "gpus": {"cpu": {"kind": "cpu"}},
            "models": pools,
            "gateway": {"keys": "keys.yaml"},
        }
        self.config.write_text(yaml.safe_dump(cluster))
        self.ports = [free_port() for _ in range(count)]
        self.processes: list[subprocess.Popen[bytes]] = []

    def write_keys(self, *keys: NewKey) -> None:
        self.keys.write_text("".join(f"{line_of(key.record)}\n" for key in keys))

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def url(self) -> str:
        return self.urls[0]

    def restart(self) -> None:
        self.end()
        self.start()

    def start(self) -> None:
        self.processes = [self._spawn(port) for port in self.ports]
        for port in self.ports:
            self._await(port)

    def end(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(20)
        self.processes = []

    def _spawn(self, port: int) -> "subprocess.Popen[bytes]":
        env = {name: text for name, text in os.environ.items() if not name.startswith("BIFOCAL_")}
        options = ["--config", self.config, "--port", str(port), "--orders", self.orders]
        command = [sys.executable, "-m", "deploy.cli", "gateway", *map(str, options)]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=env, stderr=log)

    def _await(self, port: int) -> None:
        until(lambda: status(f"http://127.0.0.1:{port}/health") == 200, limit_s=60)


def until(holds: Callable[[], bool], limit_s: float = WITHIN_S) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < limit_s, f"not within {limit_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - began


def status(url: str, key: NewKey | None = None) -> int:
    try:
        headers = {} if key is None else {"x-api-key": key.secret}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as got:
            found: int = got.status
            return found
    except urllib.error.HTTPError as error:
        error.read()
        return error.code
    except OSError:
        return 0


def asked(url: str, model: str = "auto") -> tuple[int, str, dict[str, Any]]:
    """Status, reason of the route, and the error."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "7 + 7"}]})
    headers = {"x-api-key": ADMIN.secret, "content-type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", body.encode(), headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    error = refused.value
    return error.code, error.headers.get("x-bifocal-reason", ""), json.loads(error.read())["error"]


@contextmanager
def running(folder: Path, count: int = 1) -> Iterator[Running]:
    found = Running(folder, count)
    try:
        found.start()
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gateways"), 2) as found:
        yield found


@pytest.fixture
def as_admin(two: Running) -> tuple[str, ...]:
    return ("--url", two.url, "--key", ADMIN.secret)


def test_a_forced_mode_holds_for_all_and_outlives_a_restart(bifocal, two, as_admin):
    done = bifocal("mode", "force", "deep", "--for", "30m", *as_admin)
    assert (done.code, done.out.split(":")[0]) == (0, "auto goes deep for 30m"), done.err
    until(lambda: asked(two.urls[1])[1] == "forced deep")
    two.restart()
    assert [asked(url)[1] for url in two.urls] == ["forced deep", "forced deep"]
    shown = bifocal("status", *as_admin).out
    assert "forced   auto goes deep until 20" in shown
    assert f"by admin {ADMIN.record.id}" in shown
    assert bifocal("mode", "force", "off", *as_admin).code == 0
    until(lambda: {asked(url)[1] for url in two.urls} == {"short and simple"})


def test_a_pool_is_drained_and_taken_up_again(bifocal, two, as_admin):
    done = bifocal("pool", "drain", "pocket-dense", "--wait", *as_admin)
    assert (done.code, done.out.splitlines()[-1]) == (0, "pocket-dense: 0 requests under way")
    code, _, error = asked(two.url, "fast")
    assert (code, error["code"]) == (503, "pool_drained")
    until(lambda: asked(two.urls[1], "fast")[2]["code"] == "pool_drained")
    assert "drained  pocket-dense, 0 requests under way" in bifocal("status", *as_admin).out
    assert bifocal("pool", "resume", "pocket-dense", *as_admin).code == 0
    assert asked(two.url, "fast")[2]["code"] == "engine_unavailable"


@pytest.mark.parametrize(
    ("verb", "code", "said"),
    [
        pytest.param(("pool", "drain", "qwen9"), 2, "there are: pocket-dense", id="unknown pool"),
        pytest.param(("mode", "force", "deep", "--for", "x"), 2, "such as 30m", id="no duration"),
        pytest.param(("key", "revoke", "zz"), 2, "8 to 64", id="no id"),
        pytest.param(("key", "revoke", "00000000"), 2, "no key's sha256", id="no such key"),
    ],
)
def test_a_wrong_order_is_refused(bifocal, as_admin, verb, code, said):
    done = bifocal(*verb, *as_admin)
    assert (done.code, said in done.err) == (code, True), done.err


def test_another_teams_key_operates_nothing(bifocal, two):
    done = bifocal("mode", "force", "deep", "--url", two.url, "--key", SEARCH.secret)
    assert (done.code, "may not operate" in done.err) == (2, True)
    assert "orders   an operator's key would show them" in (
        bifocal("status", "--url", two.url, "--key", SEARCH.secret).out
    )


def test_a_line_that_is_deleted_stops_its_key_within_five_seconds(two):
    assert [status(f"{url}/v1/models", OTHER) for url in two.urls] == [200, 200]
    two.write_keys(ADMIN, SEARCH)
    took = [until(lambda url=url: status(f"{url}/v1/models", OTHER) == 401) for url in two.urls]
    print(f"a deleted line stopped its key after {max(took):.2f} s")


def test_a_revoked_key_stops_within_five_seconds_whatever_the_file_says(bifocal, two, as_admin):
    assert status(f"{two.urls[1]}/v1/models", SEARCH) == 200
    done = bifocal("key", "revoke", SEARCH.record.id, *as_admin)
    assert (done.code, "take its line out" in done.out) == (0, True), done.err
    assert status(f"{two.url}/v1/models", SEARCH) == 401
    took = until(lambda: status(f"{two.urls[1]}/v1/models", SEARCH) == 401)
    print(f"the other gateway refused it after {took:.2f} s")
    assert SEARCH.record.sha256 in two.keys.read_text()
    two.restart()
    assert status(f"{two.url}/v1/models", SEARCH) == 401


def test_every_order_is_a_line_of_audit_in_the_log(bifocal, two, as_admin):
    bifocal("mode", "force", "fast", *as_admin)
    bifocal("mode", "force", "off", *as_admin)
    text = two.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"audit"')]
    assert [(line["what"], line["before"], line["after"]) for line in lines[-2:]] == [
        ("mode", None, "fast"),
        ("mode", "fast", None),
    ]
    assert ADMIN.secret not in text


def test_a_key_is_taken_out_of_its_file(bifocal, tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text("# ours\n" + "".join(f"{line_of(k.record)}\n" for k in (ADMIN, SEARCH)))
    file.chmod(0o640)
    done = bifocal("key", "revoke", SEARCH.record.id, "--file", str(file))
    assert (done.code, done.out.startswith(f"search {SEARCH.record.id}")) == (0, True), done.err
    assert file.read_text() == f"# ours\n{line_of(ADMIN.record)}\n"
    assert file.stat().st_mode & 0o777 == 0o640
    again = bifocal("key", "revoke", SEARCH.record.id, "--file", str(file))
    assert (again.code, "no keys begins" in again.err) == (2, True)


def test_a_key_over_several_lines_is_left_to_a_person(bifocal, tmp_path):
    file = tmp_path / "keys.yaml"
    text = f'- team: "a"\n  sha256: "{SEARCH.record.sha256}"\n'
    file.write_text(text)
    done = bifocal("key", "revoke", SEARCH.record.id, "--file", str(file))
    assert (done.code, "not on a line of its own" in done.err, file.read_text()) == (2, True, text)


@pytest.mark.parametrize("scope", ["operate", "metrics"])
def test_a_key_is_made_with_its_scope(bifocal, tmp_path, scope):
    file = tmp_path / "keys.yaml"
    done = bifocal("key", "new", "--team", "ops", "--scope", scope, "--file", str(file))
    assert (done.code, f"scopes: [{scope}]" in file.read_text()) == (0, True)
    assert bifocal("key", "new", "--team", "ops", "--scope", "rule").code == 2


def test_a_bundle_has_the_gateways_words_and_no_key_and_no_prompt(bifocal, two, as_admin, tmp_path):
    canary = "canary-prompt-7319"
    assert bifocal("mode", "force", "off", *as_admin).code == 0
    asked(two.url)
    asked(two.url, f"no-such-model-{canary}")
    logs = tmp_path / "state" / "logs"
    logs.mkdir(parents=True)
    lines = [
        f"2026-11-30 12:00:00,000 INFO Received request r-1: prompt: '{canary}'",
        f"2026-11-30 12:00:00,000 INFO sent with authorization: Bearer {ADMIN.secret}",
        f"ValueError: {canary}",
        two.log.read_text(),
    ]
    (logs / "gateway.log").write_text("\n".join(lines))
    (tmp_path / "state" / "pool-token").write_text("pool-token-7319")
    archive = tmp_path / "bundle.tar.gz"
    listed = bifocal("bundle", "--dry-run", "--out", str(archive), *as_admin)
    assert (listed.code, archive.exists()) == (0, False)
    done = bifocal("bundle", "--out", str(archive), *as_admin)
    assert (done.code, "logs/service/gateway.log" in done.out) == (0, True), done.err
    with tarfile.open(archive) as packed:
        streams = {m.name.partition("/")[2]: packed.extractfile(m) for m in packed.getmembers()}
        files = {name: stream.read().decode() for name, stream in streams.items() if stream}
    together = "\n".join(files.values())
    for secret in (ADMIN.secret, SEARCH.secret, canary, "pool-token-7319"):
        assert secret not in together
    assert "Application startup complete" in files["logs/service/gateway.log"]
    assert '"audit": "operator"' in files["logs/service/gateway.log"]
    assert "bifocal_mode_forced" in files["service/metrics.txt"]
    assert "bifocal_router_decisions_total" in files["service/decisions.txt"]
    assert {"pools", "mode"} <= json.loads(files["service/orders.json"]).keys()


def test_a_bundle_is_made_of_what_is_there_where_nothing_answers(bifocal, tmp_path):
    archive = tmp_path / "bundle.tar.gz"
    done = bifocal("bundle", "--url", "http://127.0.0.1:9", "--out", str(archive))
    assert (done.code, "service/ready.json.missing" in done.out) == (0, True), done.err
    assert archive.exists()
    assert " KiB\n" in done.out


@pytest.mark.parametrize(
    ("name", "said"),
    [("there.tar.gz", "is there already"), ("nowhere/x.tar.gz", "is no folder")],
)
def test_a_bundle_is_not_gathered_where_it_cannot_go(bifocal, tmp_path, name, said):
    (tmp_path / "there.tar.gz").write_text("kept")
    done = bifocal("bundle", "--url", "http://127.0.0.1:9", "--out", str(tmp_path / name))
    assert (done.code, said in done.err, done.out) == (2, True, "")
    assert (tmp_path / "there.tar.gz").read_text() == "kept"
