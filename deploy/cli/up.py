"""`bifocal up`: the whole service on this machine, in this terminal or in the background.

Exit codes: 0 stopped as asked (or, in the background, ready), 1 failed, 2 bad input, 5 running
already. Pools that cannot be served leave the others serving: `bifocal status` tells.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.cli.inputs import Config, cluster_of
from deploy.config import Cluster
from deploy.failure import SAYS, Exit, Failure
from deploy.local.preflight import NotReady
from deploy.local.processes import ProcessId
from deploy.local.remains import clean
from deploy.local.report import for_terminal
from deploy.local.service import LocalService
from deploy.local.state import OtherVersion, Running, StateFolder
from deploy.local.supervisor import StartFailed, Supervisor

LOOKS_EVERY_S: Final = 0.2


def up(
    config: Config = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return when it is ready.")
    ] = False,
) -> None:
    """Start Ray, the pools and the gateway on this machine.

    It shows each pool's way to readiness, and keeps everything running until Ctrl-C or `bifocal
    down`. Its state, secrets and logs (gateway.log; up.log, of --detach) are in $BIFOCAL_STATE, or
    in ~/.local/state/bifocal. Where Ray's logs are, with the engines' among them, its first line
    says: they go with the service, and stay where it failed.
    """
    cluster = cluster_of(config)
    state = StateFolder.of(os.environ)
    if detach:
        raise typer.Exit(_in_background(config, state))
    if not state.lock():
        raise _running_already(state)
    clean(state)
    _in_terminal(cluster, state)


def _running_already(state: StateFolder) -> Failure:
    running = state.load()
    where = f"at {running.url} ({running.progress})" if running else "and is starting"
    return Failure(
        Exit.RUNNING_ALREADY, f"the service runs already, {where}", "`bifocal down` stops it"
    )


def _in_terminal(cluster: Cluster, state: StateFolder) -> None:
    service, report = LocalService(cluster, state, os.environ), for_terminal(Console())
    for line in one_machine(cluster):
        report.say(line)
    try:
        Supervisor(service, state, report).run()
    except (StartFailed, NotReady) as error:
        raise Failure(Exit.FAILED, str(error)) from None


def one_machine(cluster: Cluster) -> Iterator[str]:
    """What a file for several nodes comes to here."""
    for name, group in cluster.gpus.items():
        if group.nodes > 1:
            yield (
                f"gpus.{name}: {group.nodes} nodes by the file; here all of them are this machine "
                "(several are Kubernetes': docs/install.md)"
            )


def _in_background(config: Path | None, state: StateFolder) -> int:
    """The same command in a session of its own, whose lines are shown until it is ready."""
    if state.is_locked():
        raise _running_already(state)
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
        return child.wait() or Exit.FAILED


def _follow(child: subprocess.Popen[bytes], state: StateFolder) -> int:
    """How it comes up goes to standard output, why it fails to standard error: of the log that is
    both, the latter is what follows a failure's first line."""
    supervisor = ProcessId.of(child.pid)
    failed = False
    with state.up_log.open() as log:
        while True:
            code, running = child.poll(), _said(state)
            is_ready = running and (running.supervisor, running.progress) == (supervisor, "ready")
            for line in log:
                failed = failed or line.startswith(SAYS)
                typer.echo(line, nl=False, err=failed)
            if code is not None or is_ready:
                return code or 0
            time.sleep(LOOKS_EVERY_S)


def _said(state: StateFolder) -> Running | None:
    """What another version of bifocal left is not the child's, which clears it away."""
    with contextlib.suppress(OtherVersion):
        return state.load()
    return None
