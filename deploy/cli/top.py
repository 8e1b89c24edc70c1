"""`bifocal top`: what a service does now, in a terminal that keeps up with it.

Exit codes: those of every verb that asks a service.
"""

import http
import json
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.live import Live

from deploy.cli.client import exchange
from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url
from deploy.cli.reach import Reached, reached
from deploy.failure import Exit, Failure
from ops.top import Moment, View, picture, screen, view
from serving.gateway.scrape import REPLICA, TARGETS

WINDOW_S: Final = 60.0
"""What rates and decisions are of: long enough to read, short enough to be now."""
GONE: Final = (http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND, http.HTTPStatus.SERVICE_UNAVAILABLE)


def top(
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option(help="Show two looks' difference and end.")] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw two looks' difference and end.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch pools, queues, speed and decisions live.

    Rates are of the last minute, or since it began. Where several gateways stand behind one
    address, what users saw is that of the one that answers, and what engines do is of all.
    --json and --svg tell the difference of two looks and end, as does a pipe.
    """
    with reached(url, key, context, namespace, release) as service:
        where = f"release {service.installed.release}" if service.installed else service.url
        looks = deque([look(service)])
        if as_json or once or svg or not Console().is_terminal:
            time.sleep(every)
            found = view(looks[0], look(service))
            if svg:
                _draw(found, where, svg)
            else:
                _print(found, where, as_json=as_json)
            return
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                looks.append(look(service))
                while looks[-1].at - looks[1].at >= WINDOW_S:
                    looks.popleft()
                live.update(screen(view(looks[0], looks[-1]), where), refresh=True)


def look(service: Reached) -> Moment:
    """Raises Failure. A replica that has gone between its naming and its page is left out."""
    at = time.monotonic()
    gateway = exchange(service.url, service.key, "GET", "/metrics").decode()
    replicas: dict[tuple[str, str], str] = {}
    for found in json.loads(exchange(service.url, service.key, "GET", TARGETS)):
        which = found["labels"]["model"], found["labels"]["replica"]
        asked = urlencode({"model": which[0], "replica": which[1]})
        page = exchange(service.url, service.key, "GET", f"{REPLICA}?{asked}", fine=GONE).decode()
        if not page.startswith("{"):  # an error's shape, which no page of metrics has
            replicas[which] = page
    return Moment.of(at, gateway, replicas)


def _draw(found: View, where: str, file: Path) -> None:
    try:
        file.write_text(picture(found, where))
    except OSError as error:
        what = f"{file} cannot be written: {error.strerror}"
        raise Failure(Exit.BAD_INPUT, what) from None


def _print(found: View, where: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(found), indent=2))
    else:
        Console().print(screen(found, where))


def _plain(found: View) -> dict[str, Any]:
    plain = asdict(found)
    for pool, told in zip(found.pools, plain["pools"], strict=True):
        told["tokens_s"] = pool.tokens_s
    return plain
