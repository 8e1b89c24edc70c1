"""`bifocal up`: the whole service on this machine, in this terminal or in the background.

Exit codes: 0 stopped as asked (or, in the background, ready), 1 failed, 2 bad input, 3 running
already.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.config import Cluster, ConfigError, load
from deploy.local.preflight import NotReady
from deploy.local.processes import ProcessId
from deploy.local.remains import clean
from deploy.local.report import for_terminal
from deploy.local.service import LocalService
from deploy.local.state import StateFolder
from deploy.local.supervisor import StartFailed, Supervisor

FAILED: Final = 1
BAD_INPUT: Final = 2
RUNNING_ALREADY: Final = 3


def up(
    config: Annotated[
        Path | None, typer.Option("--config", help="The cluster file. Default: the pocket models.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return when it is ready.")
    ] = False,
) -> None:
    """Start Ray, the pools and the gateway on this machine."""
    cluster = _cluster(config)
    state = StateFolder.of(os.environ)
    if detach:
        raise typer.Exit(_in_background(config, state))
    if not state.lock():
        raise typer.Exit(_say_running(state))
    clean(state)
    raise typer.Exit(_in_terminal(cluster, state))


def _cluster(config: Path | None) -> Cluster:
    try:
        return load(config)
    except ConfigError as error:
        typer.echo(error, err=True)
        raise typer.Exit(BAD_INPUT) from None


def _say_running(state: StateFolder) -> int:
    running = state.load()
    where = f"at {running.url} ({running.progress})" if running else "and is starting"
    typer.echo(f"bifocal runs already, {where}; `bifocal down` stops it", err=True)
    return RUNNING_ALREADY


def _in_terminal(cluster: Cluster, state: StateFolder) -> int:
    service = LocalService(cluster, state, os.environ)
    try:
        Supervisor(service, state, for_terminal(Console())).run()
    except (StartFailed, NotReady) as error:
        typer.echo(error, err=True)
        return FAILED
    return 0


def _in_background(config: Path | None, state: StateFolder) -> int:
    """The same command in a session of its own, whose lines are shown until it is ready."""
    if state.is_locked():
        return _say_running(state)
    command = [sys.executable, "-m", "deploy.cli", "up"]
    command += ["--config", str(config)] if config else []
    with state.up_log.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603  # our own command
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        return _follow(child, state)
    except KeyboardInterrupt:
        child.terminate()
        return child.wait() or FAILED


def _follow(child: subprocess.Popen[bytes], state: StateFolder) -> int:
    supervisor = ProcessId.of(child.pid)
    with state.up_log.open() as log:
        while True:
            code, running = child.poll(), state.load()
            is_ready = running and (running.supervisor, running.progress) == (supervisor, "ready")
            for line in log:
                typer.echo(line, nl=False)
            if code is not None or is_ready:
                return code or 0
            time.sleep(0.2)
