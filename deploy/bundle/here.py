"""What this machine has: versions, the cluster file, logs of the service and of Ray, a plan."""

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.bundle.archive import Entry
from deploy.bundle.scrub import Scrubber
from deploy.config import Cluster
from deploy.doctor.examination import Here, of_here
from deploy.doctor.finding import report
from deploy.doctor.look import look
from deploy.local.pools import pools_of
from deploy.local.state import Running, StateFolder

LOGS: Final = ("*.log", "*.err", "*.out", "*/*.log")
SHORTEST: Final = 1
"""Byte; an empty file tells nothing."""
SECRET_VARIABLES: Final = (
    "BIFOCAL_KEY", "BIFOCAL_POOL_TOKEN", "BIFOCAL_RAY_TOKEN", "HF_TOKEN", "MODELSCOPE_API_TOKEN",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN",
)  # fmt: skip


def secrets(state: StateFolder) -> list[str]:
    """That this machine knows."""
    found = [os.environ.get(name, "") for name in SECRET_VARIABLES]
    for file in (state.pool_token_file, state.ray_token_file):
        if file.is_file():
            found.append(file.read_text())
    return [text for text in found if text]


def entries(
    cluster: Cluster, here: Here, running: Running | None, scrubber: Scrubber
) -> Iterator[Entry]:
    machine = dataclasses.asdict(look()) | {"system": platform.platform()}
    yield _json("machine.json", scrubber.value(machine))
    yield _json("doctor.json", report(of_here(here)))
    yield configuration("cluster.yaml", cluster.model_dump(mode="json", by_alias=True), scrubber)
    yield _json("plan.json", [_pool(pool) for pool in pools_of(cluster)])
    if running is not None:
        shown = dataclasses.asdict(running)
        yield _json("state.json", scrubber.value(shown))


def configuration(name: str, data: Any, scrubber: Scrubber) -> Entry:
    text = yaml.safe_dump(scrubber.value(data), sort_keys=False, allow_unicode=True)
    return Entry(name, text.encode())


def logs(
    state: StateFolder, running: Running | None, most: int, scrubber: Scrubber
) -> Iterator[Entry]:
    """The last of each, those of the service first, then Ray's, the latest first."""
    yield from _logs("logs/service", state.logs.glob("*.log"), most, scrubber)
    if running is not None:
        folder = Path(running.temp_dir) / "session_latest" / "logs"
        found = {path for pattern in LOGS for path in folder.glob(pattern)}
        yield from _logs("logs/ray", found, most, scrubber)


def _logs(folder: str, files: Iterable[Path], most: int, scrubber: Scrubber) -> Iterator[Entry]:
    there = [file for file in files if file.is_file() and file.stat().st_size >= SHORTEST]
    for file in sorted(there, key=lambda each: each.stat().st_mtime, reverse=True):
        cleaned = scrubber.log(tail(file, most))
        if cleaned:
            yield Entry(f"{folder}/{file.name}", cleaned.encode())


def tail(file: Path, most: int) -> str:
    """Its last bytes, from the beginning of a line."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - most))
        data = stream.read(most)
    if size > most:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace")


def _pool(pool: Any) -> dict[str, Any]:
    return {
        "name": pool.name,
        "layout": pool.layout.model_dump(mode="json", by_alias=True),
        "replicas": pool.spec.model_dump(mode="json", by_alias=True).get("replicas"),
        "hardware": dataclasses.asdict(pool.hardware),
    }


def _json(name: str, value: Any) -> Entry:
    return Entry(name, json.dumps(value, indent=1, default=str).encode())
