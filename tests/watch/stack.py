"""A Prometheus and an Alertmanager of a test's own, on loopback, ended with it.

They are Debian's packages `prometheus` and `prometheus-alertmanager`; where they are not installed
the tests that need them say so.
"""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from ops.prometheus import configuration
from tests.e2e.conftest import until
from tests.serving.gateway.peers import closed_port

T = TypeVar("T", bound=Callable[..., Any])
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager")


@dataclass(frozen=True)
class Prometheus:
    """Asks one that runs."""

    url: str

    def ask(self, path: str, **query: Any) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def now(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """The value of each series of an instant query."""
        found = self.ask("query", query=expression)["result"]
        return {frozenset(s["metric"].items()): float(s["value"][1]) for s in found}

    def over(self, expression: str, start: float, end: float, step_s: float = 5) -> list[Any]:
        """The series of a range query, as Grafana would ask for it."""
        found: list[Any] = self.ask(
            "query_range", query=expression, start=start, end=end, step=step_s
        )["result"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes now, and how that fares."""
        found: list[dict[str, Any]] = self.ask("targets", state="active")["activeTargets"]
        return found


@dataclass
class Webhook:
    """Takes what an Alertmanager sends, in the order that it comes."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, name: str, status: str = "firing") -> list[dict[str, Any]]:
        return [
            alert
            for message in self.received
            for alert in message["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


def missing() -> list[str]:
    """Programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def watch(test: T) -> T:
    """Marks a test that needs the programs."""
    absent = pytest.mark.skipif(
        bool(missing()), reason=f"not installed: {', '.join(missing())} (apt install them)"
    )
    return cast(T, pytest.mark.watch(absent(test)))


@contextmanager
def prometheus(folder: Path, gateway: str, **more: Any) -> Iterator[Prometheus]:
    """One that watches the gateway at this URL; `more` as `configuration` takes it."""
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration(gateway, **more)))
    at = closed_port()
    line = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={at.removeprefix('http://')}",
        "--log.level=warn",
    ]
    with _running(line, folder / "prometheus.log", f"{at}/-/ready"):
        yield Prometheus(at)


@contextmanager
def alertmanager(folder: Path, webhook: Webhook) -> Iterator[str]:
    """One that tells the webhook at once; yields its host and port."""
    file = folder / "alertmanager.yml"
    route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s", "group_by": ["..."]}
    hook = {"name": "hook", "webhook_configs": [{"url": webhook.url, "send_resolved": True}]}
    file.write_text(yaml.safe_dump({"route": route, "receivers": [hook]}))
    at = closed_port()
    host = at.removeprefix("http://")
    line = [
        "prometheus-alertmanager",
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={host}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with _running(line, folder / "alertmanager.log", f"{at}/-/ready"):
        yield host


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver of alerts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.received.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _running(line: Sequence[str], log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen(line, stdout=out, stderr=out) as process:
        try:
            until(_answers(process, ready, log), what=line[0], limit_s=60)
            yield
        finally:
            process.terminate()


def _answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> Callable[[], bool]:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    return answers
