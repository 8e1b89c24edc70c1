"""`bifocal bundle`: what support needs, in one archive, without prompts or secrets.

Exit codes: 0 written, 1 it could not be written, 2 bad input, 4 nothing answers there.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deploy.bundle import cluster, here, service
from deploy.bundle.archive import MIB, Contents, Entry, bounded, write
from deploy.bundle.scrub import Scrubber
from deploy.cli.client import exchange
from deploy.cli.examine import of_context
from deploy.cli.inputs import (
    ConfigHere,
    Context,
    Key,
    Namespace,
    Release,
    Url,
    cluster_of,
    file_here,
)
from deploy.cli.machines import here_of
from deploy.cli.reach import (
    Installed,
    Reached,
    entered,
    installed,
    one_service,
    reached,
)
from deploy.doctor.finding import report
from deploy.doctor.kube_look import INSTANCE
from deploy.failure import Exit, Failure
from deploy.kubectl import Kubectl
from deploy.local.state import StateFolder, running_here
from serving.sizes import in_words


def bundle(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The archive.  [default: bifocal-bundle-DATE.tar.gz]"),
    ] = None,
    log: Annotated[int, typer.Option(min=1, help="MiB of each log, its end.")] = 2,
    limit: Annotated[int, typer.Option(min=1, help="MiB of all, before they are packed.")] = 64,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List it, and write nothing.")] = False,
    config: ConfigHere = None,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
) -> None:
    """Gather what support needs into one archive, and list what is in it.

    Versions, the cluster file, the plan, the doctor's findings, what the gateway says (pools,
    orders, metrics, decisions), logs of gateway and Ray; with --context the release's objects,
    events and pods' logs instead of this machine's. Keys, tokens and authorization are taken out.
    Of logs only lines that have a program's shape are kept, so that no prompt stands in them.
    """
    one_service(url, context, namespace, release)
    now = time.time()
    name = time.strftime("bifocal-bundle-%Y%m%d-%H%M%S", time.gmtime(now))
    file = out or Path(f"{name}.tar.gz")
    if not dry_run:
        _check(file)
    found = _gathered(config, url, key, context, namespace, release, log * MIB)
    contents = bounded(found, limit * MIB)
    _list(contents)
    if dry_run:
        return
    try:
        size = write(contents, file, name, now)
    except OSError as error:
        what = f"--out: {file} cannot be written: {error.strerror}"
        raise Failure(Exit.FAILED, what) from None
    typer.echo(f"{file}: {in_words(size)}")


def _check(file: Path) -> None:
    """Before all is gathered, which takes a while; what is there already is nobody's to lose."""
    if file.exists():
        raise Failure(Exit.BAD_INPUT, f"--out: {file} is there already", "name another file")
    if not file.parent.is_dir():
        raise Failure(Exit.BAD_INPUT, f"--out: {file.parent} is no folder")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise Failure(Exit.BAD_INPUT, f"--out: {file.parent} cannot be written to")


def _list(contents: Contents) -> None:
    for line in contents.lines():
        typer.echo(line)
    typer.echo(f"{contents.size:>10}  in all")


def _gathered(
    config: Path | None,
    url: str | None,
    key: str | None,
    context: str | None,
    namespace: str | None,
    release: str | None,
    most: int,
) -> Iterator[Entry]:
    """What tells most comes first. A gateway that does not answer is what a bundle is for."""
    state = StateFolder.of(os.environ)
    if context is None:
        scrubber = Scrubber([*here.secrets(state), key])
        running = running_here(os.environ)
        served = cluster_of(config or file_here())
        yield from here.entries(served, here_of(served, running), running, scrubber)
        with reached(url, key) as found:
            yield from service.entries(_pages(found), scrubber)
        yield from here.logs(state, running, most, scrubber)
        return
    there = installed(Kubectl(context, namespace), release)
    scrubber = Scrubber([*here.secrets(state), key])
    yield _doctor(there, config, scrubber)
    try:
        with entered(there, key) as found:
            scrubber = Scrubber([*here.secrets(state), found.key])
            yield from service.entries(_pages(found), scrubber)
    except Failure as error:
        yield Entry("service.missing", f"{error.what}\n".encode())
    selector = f"{INSTANCE}={there.release}"
    yield from cluster.entries(there.kubectl, selector, most, scrubber)


def _pages(found: Reached) -> Callable[[str], bytes]:
    return partial(exchange, found.url, found.key, "GET", fine=(200, 503))


def _doctor(there: Installed, config: Path | None, scrubber: Scrubber) -> Entry:
    try:
        found = report(of_context(there.kubectl, there.release, config))
    except Failure as error:
        return Entry("doctor.missing", f"{error.what}\n".encode())
    return Entry("doctor.json", json.dumps(scrubber.value(found), indent=1).encode())
