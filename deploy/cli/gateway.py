"""`bifocal gateway`: the endpoint alone, in front of pools that run elsewhere.

`bifocal up` starts one beside its pools; on Kubernetes it is a Deployment of its own. Exit codes:
0 ended as asked, 1 it could not listen, 2 bad input.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.app import OpenEndpoint, build, check_exposure
from deploy.cli.inputs import Config, cluster_of
from deploy.config import Cluster, ConfigError
from deploy.environment import Environment, address_of, environment
from deploy.failure import Exit, Failure
from deploy.keys import store_of, target_tokens
from deploy.orders import OrdersFile
from deploy.server import Inherited, run
from deploy.succession import READY
from ops.logs import JsonLines, RequestLog
from ops.metrics import PrometheusObserver
from serving.config import TracingSpec
from serving.keys import KeyStore
from serving.observer import Observer
from serving.values import ModelName

LAST_PORT: Final = 65535


class Log(StrEnum):
    TEXT = "text"
    JSON = "json"


def gateway(
    config: Config = None,
    ray_url: Annotated[
        str | None,
        typer.Option(
            "--ray-url",
            help="Ray's dashboard, which knows where the replicas are."
            "  [env: BIFOCAL_RAY_URL; default: http://127.0.0.1:8265]",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Instead of the file's gateway.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=LAST_PORT, help="Instead of the file's gateway.port.")
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where what operators order is kept, and read anew as it changes."
        ),
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT,...",
            help="Other gateways of the same service, which tell each other what operators order.",
        ),
    ] = None,
    log: Annotated[
        Log,
        typer.Option(
            envvar="BIFOCAL_LOG",
            help="Lines to read, or JSON with a line for each request that ended.",
        ),
    ] = Log.TEXT,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the endpoint alone, in front of pools that run elsewhere.

    BIFOCAL_POOL_TOKEN opens the doors of the replicas that Ray names; BIFOCAL_RAY_TOKEN is for a
    Ray cluster that asks for one. It ends on SIGTERM or Ctrl-C, once the answers under way are
    complete; a second signal ends it at once.
    """
    cluster = cluster_of(config)
    place, spec = _environment(), cluster.gateway
    address = host or spec.host
    with _traced(cluster.tracing, _observer(cluster, log)) as observer:
        app = build(
            cluster,
            ray_url=_checked(ray_url) or place.ray_url,
            ray_token=place.ray_token,
            pool_token=place.pool_token,
            target_tokens=_target_tokens(cluster),
            keys=_keys(spec.keys, address),
            observer=observer,
            orders=None if orders is None else OrdersFile(orders),
            peers=_addresses(peers),
        )
        _write_logs(log)
        run(
            app,
            host=address,
            port=spec.port if port is None else port,
            longest_answer_s=cluster.longest_answer,
            inherited=_inherited(listen_fd, ready_fd),
        )


def _observer(cluster: Cluster, log: Log) -> Observer:
    offered = {name: facts.modes.offered for name, facts in cluster.served.items()}
    metrics = PrometheusObserver(slo=cluster.slo, offered=offered)
    return RequestLog(metrics) if log is Log.JSON else metrics


@contextmanager
def _traced(spec: TracingSpec | None, beside: Observer) -> Iterator[Observer]:
    """What has ended by then is sent when the gateway ends."""
    if spec is None:
        yield beside
        return
    from ops.traces import Traces  # noqa: PLC0415 - gRPC takes a while to load, and few trace

    traces = Traces(beside, spec.endpoint)
    try:
        yield traces
    finally:
        traces.end()


def _write_logs(log: Log) -> None:
    """Lines of audit are JSON and nothing else, for whoever collects them."""
    plain = logging.StreamHandler()
    if log is Log.JSON:
        plain.setFormatter(JsonLines())
        logging.basicConfig(level=logging.INFO, handlers=[plain])
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    audit, bare = logging.getLogger("bifocal.audit"), logging.StreamHandler()
    bare.setFormatter(logging.Formatter("%(message)s"))
    audit.addHandler(bare)
    audit.propagate = False


def _addresses(peers: str | None) -> list[tuple[str, int]]:
    found = []
    for text in filter(None, (peers or "").split(",")):
        host, _, port = text.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
            what = f"--peers: found {text!r}; allowed: HOST:PORT, and more after a comma"
            raise Failure(Exit.BAD_INPUT, what)
        found.append((host.strip("[]"), int(port)))
    return found


def _inherited(listen_fd: int | None, ready_fd: int | None) -> Inherited | None:
    """From `bifocal up`, which holds the port and waits for a word at the other end of a pipe."""
    if listen_fd is None or ready_fd is None:
        return None
    return Inherited(socket.socket(fileno=listen_fd), partial(_tell, ready_fd))


def _tell(pipe: int) -> None:
    with os.fdopen(pipe, "wb") as end:
        end.write(READY)


def _environment() -> Environment:
    try:
        return environment(os.environ)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _checked(ray_url: str | None) -> str | None:
    try:
        return address_of("--ray-url", ray_url) if ray_url else None
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _target_tokens(cluster: Cluster) -> dict[ModelName, str]:
    try:
        return target_tokens(cluster.models)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None


def _keys(path: str | None, host: str) -> KeyStore:
    try:
        check_exposure(host, has_keys=path is not None)
        return store_of(path)
    except (OpenEndpoint, ConfigError) as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
