"""`gateway.lock`: what the gateway's image installs, picked out of `requirements-cpu.lock`.

python -m deploy.image.lock > deploy/image/gateway.lock

The same pins and hashes as everywhere else, but only those packages that bifocal needs without its
extras: 73 MB, and not the engines' 3 GB.
"""

import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parents[2] / "requirements-cpu.lock"
HEAD: Final = "# Made by `python -m deploy.image.lock`, from requirements-cpu.lock.\n"
BUILDERS: Final = {"setuptools"}
"""Makes bifocal's own wheel in the image."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def text() -> str:
    """In the lock file's order."""
    wanted = needed("bifocal") | BUILDERS
    return HEAD + "".join(entry for name, entry in entries() if name in wanted)


def needed(root: str) -> set[str]:
    """Of a package, without it: what it needs to run here, without any extra, all the way down."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for line in requires(waiting.pop()) or ():
            name, _, marker = line.partition(";")
            if "extra" in marker or not _holds(marker):
                continue
            match = _NAME.match(name)
            plain = _plain(match[0]) if match else ""
            if plain and plain not in found:
                found.add(plain)
                waiting.append(plain)
    return found


def entries() -> Iterator[tuple[str, str]]:
    """Each package of the lock file, and its lines."""
    for entry in re.findall(r"^[A-Za-z0-9].*(?:\n    .*)*\n", LOCK.read_text(), re.M):
        match = _NAME.match(entry)
        if match:
            yield _plain(match[0]), entry


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _holds(marker: str) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 - only this command needs it

    return not marker.strip() or Marker(marker).evaluate()


if __name__ == "__main__":
    print(text(), end="")
