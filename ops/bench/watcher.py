"""Who watches a service: a Prometheus, or where there is none a reader of the same pages.

Both find the replicas as the gateway names them, and read each page as often. A reader stores
nothing; what the service pays for being read is the same.
"""

import contextlib
import gzip
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import yaml

from ops.bench.processes import LOOPBACK, NotReady, free_port, running, wait_until_ready
from ops.prometheus import configuration
from serving.gateway.scrape import PAGE, TARGETS

PROMETHEUS: Final = "prometheus"
START_S: Final = 30.0
"""It must have read each page once by then; the replicas' come one interval after their names."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the latest reading of a page brought."""

    page: str
    samples: int
    seconds: float


class Watcher(Protocol):
    name: str
    pids: tuple[int, ...]
    """Where it is a process of its own."""

    def looks(self) -> tuple[Look, ...]:
        """Of all pages. Raises NotReady where one could not be read."""


@dataclass(frozen=True, slots=True)
class Service:
    """A gateway, and the header that opens it."""

    url: str
    headers: Mapping[str, str]


def watching(service: Service, folder: Path, every_s: float) -> AbstractContextManager[Watcher]:
    """From the first look at every page; `folder` is for its files."""
    how = _prometheus if shutil.which(PROMETHEUS) else _reader
    return how(service, folder, every_s)


@contextmanager
def _prometheus(service: Service, folder: Path, every_s: float) -> Iterator[Watcher]:
    (key := folder / "key").write_text(service.headers["authorization"].removeprefix("Bearer "))
    (file := folder / "prometheus.yml").write_text(
        yaml.safe_dump(configuration(service.url, key_file=key, every_s=every_s))
    )
    port, log = free_port(), folder / "prometheus.log"
    command = (
        PROMETHEUS,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    )
    with running(command, log) as process:
        url = f"http://{LOOPBACK}:{port}"
        wait_until_ready(f"{url}/-/ready", process, log, START_S)
        yield _seen(Prometheus(url, process.pid))


class Prometheus:
    """Asks one that runs."""

    def __init__(self, url: str, pid: int) -> None:
        self._url = url
        self.name = f"Prometheus {self._ask('status/buildinfo')['version']}"
        self.pids: tuple[int, ...] = (pid,)

    def looks(self) -> tuple[Look, ...]:
        targets = self._ask("targets", state="active")["activeTargets"]
        if down := [one["lastError"] or "not read yet" for one in targets if one["health"] != "up"]:
            raise NotReady(f"Prometheus cannot read {len(down)} pages: {down[0]}")
        samples = self._ask("query", query="scrape_samples_scraped")["result"]
        read = {one["metric"]["instance"]: int(one["value"][1]) for one in samples}
        looks = (
            Look(_page(of := one["labels"]), read.get(of["instance"], 0), one["lastScrapeDuration"])
            for one in targets
        )
        return _all_of_them(tuple(looks))

    def _ask(self, path: str, **query: str) -> Any:
        return json.loads(_get(f"{self._url}/api/v1/{path}?{urlencode(query)}", {}))["data"]


@contextmanager
def _reader(service: Service, folder: Path, every_s: float) -> Iterator[Watcher]:
    del folder
    reader = Reader(service, every_s)
    thread = threading.Thread(target=reader.run, daemon=True)
    thread.start()
    try:
        yield _seen(reader)
    finally:
        reader.ended.set()
        thread.join()


class Reader:
    """Reads every page, in a thread of the bench."""

    name = "a plain reader of the same pages (no Prometheus here)"
    pids: tuple[int, ...] = ()

    def __init__(self, service: Service, every_s: float) -> None:
        self._service, self._every_s = service, every_s
        self._looks: tuple[Look, ...] = ()
        self._failed = "not read yet"
        self.ended = threading.Event()

    def looks(self) -> tuple[Look, ...]:
        if self._failed:
            raise NotReady(f"pages cannot be read: {self._failed}")
        return _all_of_them(self._looks)

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self._looks, self._failed = tuple(self._read()), ""
            except (URLError, OSError, ValueError) as error:
                self._failed = repr(error)
            self.ended.wait(self._every_s)

    def _read(self) -> Iterator[Look]:
        url, headers = self._service.url, self._service.headers
        yield _look("gateway", url + PAGE, headers)
        for found in json.loads(_get(url + TARGETS, headers)):
            labels = found["labels"]
            prefix = "__param_"
            asked = {k.removeprefix(prefix): v for k, v in labels.items() if k.startswith(prefix)}
            path = labels["__metrics_path__"]
            yield _look(_page(labels), f"{url}{path}?{urlencode(asked)}", headers)


def _seen(watcher: Watcher) -> Watcher:
    """Once it has looked at everything."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            watcher.looks()
            return watcher
        except NotReady:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _all_of_them(looks: tuple[Look, ...]) -> tuple[Look, ...]:
    if len(looks) < 2 or not all(look.samples for look in looks):
        raise NotReady(f"of a gateway and a replica at least, this was read: {looks}")
    return looks


def _page(labels: Mapping[str, str]) -> str:
    return f"replica of {labels['model']}" if "model" in labels else "gateway"


def _look(page: str, url: str, headers: Mapping[str, str]) -> Look:
    began = time.monotonic()
    lines = _get(url, headers).splitlines()
    samples = sum(not line.startswith(b"#") for line in lines)
    return Look(page, samples, time.monotonic() - began)


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    asked = Request(url, headers={**headers, "accept-encoding": "gzip"})  # noqa: S310 - ours, on loopback
    with contextlib.closing(urlopen(asked, timeout=30)) as answer:  # noqa: S310
        body: bytes = answer.read()
        return gzip.decompress(body) if answer.headers["content-encoding"] == "gzip" else body
