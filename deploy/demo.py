"""`make demo`: the service comes up, one question is answered in a blink, one is thought through.

It is `bifocal up --detach`, two `bifocal chat`s and `bifocal down` in a row; a service that runs
already is asked and left alone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.cli.chat import Screen, body_of
from deploy.cli.client import Event, Piece, ask
from deploy.cli.inputs import service_of
from deploy.config import POCKET, load
from deploy.failure import Exit, Failure
from deploy.local.ports import is_taken
from deploy.local.state import StateFolder
from serving.config import GatewaySpec

NUMBERS: Final = (48213, 9377, 60551, 3308)


@dataclass(frozen=True, slots=True)
class Show:
    """One question of the demo; `right` is its answer."""

    title: str
    model: str
    question: str
    right: str


SHOWS: Final = (
    Show("In a blink", "fast", "What is the capital of France?", "Paris"),
    Show(
        "Thought through",
        "auto",
        f"What is {' + '.join(map(str, NUMBERS))}?",
        str(sum(NUMBERS)),
    ),
)


def main() -> None:
    """Exit codes as the command's."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the service running")
    keep = parser.parse_args().keep
    try:
        with _service(keep=keep) as url:
            for show in SHOWS:
                _present(show, url)
    except Failure as failure:
        failure.show()
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _service(*, keep: bool) -> Iterator[str]:
    """Its address. What is started here is stopped here, unless it is to be kept."""
    is_ours = StateFolder.of(os.environ).is_locked()  # then `up` says so, whatever the port
    with tempfile.TemporaryDirectory(prefix="bifocal-demo-") as folder:
        config = [] if is_ours else config_for(load(POCKET).gateway, Path(folder))
        code = _bifocal("up", "--detach", *config)
    if code not in (Exit.OK, Exit.RUNNING_ALREADY):
        raise Failure(Exit.FAILED, "the service did not come up", "what it said stands above")
    running = StateFolder.of(os.environ).load()
    if running is None:
        raise Failure(Exit.FAILED, "the service has gone again")
    try:
        yield running.url
    finally:
        _leave(running.url, started=code == Exit.OK, keep=keep)


def _leave(url: str, *, started: bool, keep: bool) -> None:
    print()
    if started and not keep:
        _bifocal("down")
        print("`make demo` stops what it starts; `bifocal up` serves until you stop it")
    else:
        print(f"still serving at {url}; ask it with `bifocal chat`, stop it with `bifocal down`")


def _bifocal(*arguments: str) -> int:
    """The command as a shell would run it, its progress on this terminal."""
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603  # our own command


def config_for(gateway: GatewaySpec, folder: Path) -> list[str]:
    """The pocket cluster; where its port is taken, the same on a free one."""
    if not is_taken(gateway.host, gateway.port):
        return []
    print(f"port {gateway.port} is taken; the demo takes a free one")
    (file := folder / "bifocal.yaml").write_text(f"{POCKET.read_text()}gateway: {{port: 0}}\n")
    return ["--config", str(file)]


def _present(show: Show, url: str) -> None:
    print(f"\n{show.title} (model {show.model}): {show.question}", flush=True)
    said: list[str] = []
    address, key = service_of(url, None)
    events = _kept(ask(address, key, body_of(show.question, show.model)), said)
    Screen(sys.stdout, sys.stdout).show(events)
    verdict = "right" if show.right in "".join(said).replace(",", "") else f"not {show.right}"
    print(f"that is {verdict}", flush=True)


def _kept(events: Iterable[Event], said: list[str]) -> Iterator[Event]:
    """The same events; the answer's text is put aside."""
    for event in events:
        if isinstance(event, Piece) and not event.is_thought:
            said.append(event.text)
        yield event


if __name__ == "__main__":
    main()
