"""The processes of an engine, ended by its replica when it is stuck.

Serve kills a replica that is ill, but neither Serve nor Ray kills what a fork server made for it,
and a process that is stopped hears of no end but by force.
"""

import contextlib

import psutil


def kill_children() -> None:
    """All that this process has started, and what they have. Whoever waits for the engine hears of
    its death at once."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
