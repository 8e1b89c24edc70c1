"""`bifocal down`: ends what `bifocal up` started, and waits until it is gone.

Exit codes: 0 stopped, 1 it did not stop, 4 nothing was running.
"""

import contextlib
import os
import signal
import time
from typing import Final

import typer

from deploy.failure import Exit, Failure
from deploy.local.processes import ProcessId
from deploy.local.remains import clean
from deploy.local.state import StateFolder

PATIENCE_S: Final = 90.0


def down() -> None:
    """Stop the service on this machine."""
    state = StateFolder.of(os.environ)
    found = state.left()
    if state.lock():
        _clean_up(state)
    elif found is None:
        raise Failure(Exit.FAILED, "the service is only just starting", "try again in a moment")
    elif found.supervisor is None:
        what = "the service runs, and its state does not say as which process"
        raise Failure(Exit.FAILED, what, f"end the one that holds {state.lock_file}")
    else:
        _stop(found.supervisor, state)


def _clean_up(state: StateFolder) -> None:
    """No supervisor lives; one that was killed may have left processes."""
    if not clean(state):
        raise Failure(Exit.NOT_RUNNING, "the service is not running")
    typer.echo("the supervisor was gone; what it left has been stopped")


def _stop(supervisor: ProcessId, state: StateFolder) -> None:
    typer.echo("stopping")
    if supervisor.alive:
        with contextlib.suppress(ProcessLookupError):  # it may end by itself meanwhile
            os.kill(supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while not state.lock():
        if time.monotonic() > deadline:
            raise Failure(Exit.FAILED, f"process {supervisor.pid} still runs")
        time.sleep(0.1)
    clean(state)
    typer.echo("stopped")
