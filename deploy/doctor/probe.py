"""Asks a Ray cluster from outside, by a process of its own that is ended when it takes too long."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import msgspec

from deploy.doctor.job import Job, Report

REACHED_WITHIN_S: Final = 5.0
LINES_SHOWN: Final = 5


class NoAnswer(Exception):
    """Why the cluster could not be asked."""


def ask(job: Job, env: Mapping[str, str]) -> Report:
    """Raises NoAnswer."""
    _reach(job.address)
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.doctor.ranks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(env), start_new_session=True,
    )  # fmt: skip
    try:
        out, said = process.communicate(msgspec.json.encode(asdict(job)), job.longest_s)
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{job.address} says nothing for {job.longest_s:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise NoAnswer(f"{job.address}: {_end_of(said)}")
    return msgspec.json.decode(out, type=Report)


def _reach(address: str) -> None:
    """Ray would try for a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_WITHIN_S).close()
    except OSError as error:
        raise NoAnswer(f"{address} cannot be reached: {error}") from None


def _end_of(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-LINES_SHOWN:])
