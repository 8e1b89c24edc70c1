"""What follows from watched and unwatched windows, the page it becomes, and the plain reader."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.bench import watcher
from ops.bench.processes import NotReady
from ops.bench.watched import ALONE, WATCHED, Run, as_table, reached, report
from ops.bench.watched_document import document
from ops.bench.watcher import Look, Service, watching
from tests.ops.bench.test_rounds import measured

LOOKS = (Look("gateway", 400, 0.011), Look("replica of pocket-dense", 1900, 0.032))


RATIOS = (1.2, 0.8, 1.4, 1.0, 1.2)
"""Of windows in which pages are read twenty times as often as they will be."""


def run(ratios: tuple[float, ...] = RATIOS, **changes: Any) -> Run:
    windows = []
    for pair, ratio in enumerate(ratios):
        alone = {"engine": 0.4, "gateway": 0.1, "load generator": 0.2}
        with_it = {
            "engine": 0.4 * ratio, "gateway": 0.1 * ratio, "prometheus": 9.0, "load generator": 0.3
        }  # fmt: skip
        for name, spent in ((ALONE, alone), (WATCHED, with_it)):
            windows.append(replace(measured(name, pair), cpu_s_per_1000_tokens=spent))
    return replace(Run(tuple(windows), "Prometheus 2.42.0", LOOKS), **changes)


def test_the_watcher_and_the_load_are_not_counted() -> None:
    found = report(run())
    assert found["so_often_over_alone"]["rounds"] == pytest.approx(RATIOS)
    assert found["so_often_over_alone"]["median"] == pytest.approx(1.2)
    assert found["watched_over_alone"]["median"] == pytest.approx(1.01)
    assert found["windows"][ALONE]["cpu_s_per_1000_tokens"] == pytest.approx(0.5)
    assert reached(found)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run((1.0, 1.0, 1.0, 1.0, 1.7)), id="the interval holds the limit"),
        pytest.param(run(problems=("pair 2: no page",)), id="a window that was not watched"),
        pytest.param(run((1.0, 1.0)), id="two pairs say nothing"),
        pytest.param(Run(()), id="nothing was measured"),
    ],
)
def test_the_goal_is_not_reached_by_chance(run: Run) -> None:
    assert not reached(report(run))


def test_a_lost_answer_is_no_success() -> None:
    found = run()
    broken = replace(found.measured[0].tally, lost={"cut off": 1})
    lost = (replace(found.measured[0], tally=broken), *found.measured[1:])
    assert not reached(report(replace(found, measured=lost)))
    assert "1 answers were lost" in as_table(report(replace(found, measured=lost)))


def test_the_page_has_ratio_processes_and_pages() -> None:
    found = report(run()) | {
        "machine": {
            "at": "2026-11-30T16:00:00Z", "cores": 2, "cpu": "EPYC", "memory_gib": 23.5,
            "python": "3.11.7", "busy_cores_before": 0.1,
        },
        "settings": {"model": "pocket-dense", "pairs": 5, "seconds": 20.0, "every_s": 5.0},
    }  # fmt: skip
    page = document(found)
    assert "5 pairs of 20 s each, watched by Prometheus 2.42.0." in page
    assert "| read every 5 s / alone | 5 | 1.010 | 0.990 to 1.020 (94%) | < 1.03: reached" in page
    assert "| read every 0.25 s / alone | 5 | 1.200 | 0.800 to 1.400 (94%) |  |" in page
    assert "| prometheus (not counted) | 0.0000 | 9.0000 |" in page
    assert "| replica of pocket-dense | 1,900 | 32 ms |" in page


@contextlib.contextmanager
def pages(status: int = 200) -> Iterator[str]:
    """A gateway that names one replica; only whoever has the key may read."""
    labels = {
        "model": "pocket-dense", "__metrics_path__": "/metrics/replica",
        "__param_model": "pocket-dense", "__param_replica": "a/b",
    }  # fmt: skip
    told = {
        "/metrics": b"# HELP x y\nx 1\n",
        "/metrics/targets": json.dumps([{"labels": labels}]).encode(),
        "/metrics/replica?model=pocket-dense&replica=a%2Fb": b"x 1\ny 2\n",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.headers["authorization"] == "Bearer k" else 401)
            self.send_header("content-encoding", "gzip")
            self.end_headers()
            self.wfile.write(gzip.compress(told[self.path]))

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Prometheus is installed, and nobody is waited for."""
    monkeypatch.setattr(watcher, "PROMETHEUS", "no-such-program")
    monkeypatch.setattr(watcher, "START_S", 0.3)


@pytest.mark.usefixtures("nobody")
def test_without_a_prometheus_the_same_pages_are_read(tmp_path: Path) -> None:
    with pages() as url, watching(Service(url, {"authorization": "Bearer k"}), tmp_path, 5) as by:
        assert [(look.page, look.samples) for look in by.looks()] == [
            ("gateway", 1), ("replica of pocket-dense", 2),
        ]  # fmt: skip
        assert "no Prometheus here" in by.name


@pytest.mark.usefixtures("nobody")
def test_a_watcher_that_cannot_read_is_none(tmp_path: Path) -> None:
    with (
        pages() as url,
        pytest.raises(NotReady, match="401"),
        watching(Service(url, {"authorization": "Bearer another"}), tmp_path, 5),
    ):
        pass
