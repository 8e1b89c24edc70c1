"""What a supervisor leaves that was killed without a word: found by its state, and ended."""

from pathlib import Path

from deploy.local.processes import end, session
from deploy.local.ray_head import remove
from deploy.local.state import StateFolder

GRACE_S = 4.0


def clean(state: StateFolder) -> bool:
    """Whether there was anything. Only while the caller holds the folder's lock."""
    found = state.left()
    if found is None:
        return False
    had_processes = False
    for leader in (*found.leaving, found.gateway, found.head):
        if leader is not None and session(leader):
            had_processes = True
            end(leader, grace_s=GRACE_S)
    if found.temp_dir is not None:
        remove(Path(found.temp_dir))
    state.clear()
    return had_processes
