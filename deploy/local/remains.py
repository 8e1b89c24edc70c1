"""What a supervisor leaves that was killed without a word: found by its state, and ended."""

import shutil

from deploy.local.processes import end, session
from deploy.local.state import Running, StateFolder

GRACE_S = 4.0


def clean(state: StateFolder) -> bool:
    """Whether there was anything. Only while the caller holds the folder's lock."""
    running = state.load()
    if running is None:
        return False
    had_processes = False
    for leader in (running.gateway, running.head):
        if leader is not None and session(leader):
            had_processes = True
            end(leader, grace_s=GRACE_S)
    _remove_temp(running)
    state.clear()
    return had_processes


def _remove_temp(running: Running) -> None:
    shutil.rmtree(running.temp_dir, ignore_errors=True)
