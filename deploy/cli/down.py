"""`bifocal down`: ends what `bifocal up` started, and waits until it is gone.

Exit codes: 0 stopped, 1 it did not stop, 3 nothing was running.
"""

import os
import signal
import time
from typing import Final

import typer

from deploy.local.remains import clean
from deploy.local.state import Running, StateFolder

FAILED: Final = 1
NOT_RUNNING: Final = 3
PATIENCE_S: Final = 90.0


def down() -> None:
    """Stop the service on this machine."""
    state = StateFolder.of(os.environ)
    running = state.load()
    if state.lock():
        raise typer.Exit(_nobody_runs(state))
    if running is None:
        typer.echo("bifocal is only just starting; try again in a moment", err=True)
        raise typer.Exit(FAILED)
    raise typer.Exit(_ask(running, state))


def _nobody_runs(state: StateFolder) -> int:
    if clean(state):
        typer.echo("the supervisor was gone; what it left has been stopped")
        return 0
    typer.echo("bifocal is not running", err=True)
    return NOT_RUNNING


def _ask(running: Running, state: StateFolder) -> int:
    typer.echo("stopping")
    if running.supervisor.alive:
        os.kill(running.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while not state.lock():
        if time.monotonic() > deadline:
            typer.echo(f"process {running.supervisor.pid} still runs", err=True)
            return FAILED
        time.sleep(0.1)
    clean(state)
    typer.echo("stopped")
    return 0
