"""Processes of a contender: started here, ended by id, and their CPU seconds by role."""

import contextlib
import http.client
import os
import re
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

LOOPBACK: Final = "127.0.0.1"
GRACE_S: Final = 20.0
"""Between the request to end and the end by force: an engine frees its memory first."""
ORPHANS_S: Final = 2.0
"""Children that outlive their root get so long, once before each signal."""
TAIL_LINES: Final = 20


class NotReady(Exception):
    """A contender ended, or took too long, before it answered; the end of its log says why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, so that its children end with it."""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - the caller's own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The root first, which may have an order for its children; then whoever is left of them."""
    family = _tree(process.pid)[1:]
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    if process.poll() is None:
        process.kill()
        process.wait()
    for end in (psutil.Process.terminate, psutil.Process.kill):
        _, family = psutil.wait_procs(family, timeout=ORPHANS_S)
        for orphan in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(orphan)
    psutil.wait_procs(family, timeout=ORPHANS_S)


def wait_until_ready(
    url: str,
    process: subprocess.Popen[bytes],
    log: Path,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Until a GET of `url` is answered with 200."""
    deadline = time.monotonic() + timeout_s
    while not _answers(url, headers or {}):
        if process.poll() is not None:
            raise NotReady(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise NotReady(f"{url} did not answer in {timeout_s:g} s:\n{_tail(log)}")
        time.sleep(0.1)


def _answers(url: str, headers: Mapping[str, str]) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=5)
    try:
        connection.request("GET", parts.path, headers=dict(headers))
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


ROLES: Final = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"ops\.bench\.mock", "mock"),
        (r"ops\.bench\.passthrough", "pass-through"),
        (r"^(\S*/)?prometheus\b", "prometheus"),
        (r"^VLLM::EngineCore", "engine"),
        (r"^VLLM::|^ray::RayWorker", "engine worker"),
        # Core and worker have the command line of the server that they are forked from.
        (r"serving\.pools\.preloaded", "engine"),
        (r"^ray::(ProxyActor|HAProxy)", "serve proxy"),
        (r"^ray::ServeController", "serve controller"),
        (r"^ray::ServeReplica.*(Ingress|Router)", "ingress"),
        (r"^ray::ServeReplica", "replica"),
        (r"^ray::|/ray/|raylet|gcs_server", "ray"),
        (r"vllm\.entrypoints", "server"),
        (r"\bgateway\b", "gateway"),
    )
)
"""Command line or process title -> role; the first that fits."""


def role_of(title: str) -> str:
    return next((role for pattern, role in ROLES if pattern.search(title)), "other")


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


Clocks = Mapping[tuple[int, str], float]


def cpu_clocks(roots: Iterable[int]) -> Clocks:
    """CPU seconds so far of each process under these roots."""
    found: dict[tuple[int, str], float] = {}
    for process in {each for root in roots for each in _tree(root)}:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            times = process.cpu_times()
            found[process.pid, role_of(" ".join(process.cmdline()))] = times.user + times.system
    return found


def cpu_between(before: Clocks, after: Clocks) -> dict[str, float]:
    """By role; a process that came in between counts from its start."""
    spent: defaultdict[str, float] = defaultdict(float)
    for (pid, role), seconds in after.items():
        spent[role] += seconds - before.get((pid, role), 0.0)
    return dict(spent)
