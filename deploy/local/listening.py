"""What listens where while the service runs, as a page: `python -m deploy.local.listening`."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from deploy.local.listeners import Listener, listeners, reason
from deploy.local.processes import session
from deploy.local.state import StateFolder

HEAD = """# What listens where

`bifocal up --detach`, then `python -m deploy.local.listening > docs/listeners.md`: every TCP
listener of every process that `up` has started. Ports are free ones, chosen at the start. A test
fails when one that is not named here listens beyond loopback.

Ray Serve's: it binds each replica's port for calls between deployments to every address and cannot
be told otherwise; who calls there is asked for this cluster's Ray token. The gateway goes beyond
loopback where the cluster file says so (`gateway.host`), and then asks for a key.

| process | listens on | listeners | beyond loopback, because |
| --- | --- | --- | --- |
"""


def page(found: Iterable[Listener], gateway_port: int) -> str:
    """Like listeners of like processes are one row."""
    rows = Counter(
        (
            name_of(each.process),
            "every address" if each.is_wide else "loopback",
            (reason(each, gateway_port=gateway_port) or "?") if each.is_wide else "",
        )
        for each in found
    )
    lines = [
        f"| {who} | {on} | {count} | {why} |" for (who, on, why), count in sorted(rows.items())
    ]
    return HEAD + "\n".join([*lines, ""])


def line_of(wide: Listener, *, gateway_port: int) -> str:
    """What `up` says of one: the page above has the reason at length."""
    why = reason(wide, gateway_port=gateway_port) or "no known reason; report it"
    name = name_of(wide.process).removeprefix("ray::")
    return f"beyond loopback: {wide.host} port {wide.port} ({name}): {why}"


def name_of(process: str) -> str:
    """What a process is, from its command line: no path of this machine, no number of its own."""
    if process.startswith("ray::"):
        return process.split("#", maxsplit=1)[0].split(" ", maxsplit=1)[0]
    words = [word.rsplit("/", 1)[-1] for word in process.split() if not word.startswith("-")]
    python = bool(words) and words[0].startswith("python")
    return " ".join(words[1:3] if python else words[:1]) or "?"


def main() -> None:
    running = StateFolder.of(os.environ).load()
    if running is None:
        sys.exit("nothing runs here; start it with `bifocal up --detach`")
    leaders = (running.supervisor, running.head, running.gateway)
    processes = [process for leader in leaders if leader for process in session(leader)]
    sys.stdout.write(page(listeners(processes), urlsplit(running.url).port or 0))


if __name__ == "__main__":
    main()
