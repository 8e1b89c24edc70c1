"""`bifocal doctor`: whether machines and networks are fit for what the cluster file says.

Exit codes: 0 fine, 1 something fails, 2 bad input.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import urlsplit

import typer

from deploy.cli.examine import of_address, of_context
from deploy.cli.inputs import ConfigHere, Context, Json, Namespace, Release, cluster_of, file_here
from deploy.cli.reach import nothing_of_a_cluster
from deploy.config import Cluster, ConfigError
from deploy.doctor import reduction
from deploy.doctor.examination import Here, of_cluster, of_here, of_no_cluster
from deploy.doctor.finding import Finding, is_fine, report, text
from deploy.doctor.hub import of_hub
from deploy.doctor.job import Job, Report
from deploy.doctor.listening import of_listeners
from deploy.doctor.look import look
from deploy.doctor.machine import Needs, Port
from deploy.doctor.probe import NoAnswer, ask
from deploy.doctor.reduction import Asked, asked
from deploy.environment import environment
from deploy.failure import Exit, Failure
from deploy.kubectl import Kubectl
from deploy.local.head import entry
from deploy.local.listeners import listeners
from deploy.local.pools import pools_of
from deploy.local.ports import LOOPBACK, holder, is_taken
from deploy.local.preflight import needed_gib, wants_gpus
from deploy.local.processes import session
from deploy.local.state import Running, StateFolder, running_here
from deploy.source import Scheme, parse
from deploy.weights.settings import Settings
from serving.pools.engine import Pool
from serving.pools.weights import Wanted

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}")


def doctor(
    config: ConfigHere = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="HOST:PORT",
            help="The head of a Ray cluster of which this machine is a node."
            "  [default: the one that `bifocal up` runs here]",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=1, max=600, help="Seconds that ranks may take to start, to meet, and to sum."
        ),
    ] = 60,
    url: Annotated[str | None, typer.Option("--url", help="Instead: a service elsewhere.")] = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Check machines, and let the ranks of each pool try their network.

    Of this machine: Python, memory, GPUs, shared memory, disks, the gateway's port, open files,
    other Ray clusters, the hub, listeners. Of a Ray cluster, the one that `bifocal up` started or
    --ray-address: the same on every node, and for each pool of more than one rank an all-reduce
    over ranks that stand where the pool's do or would. A rank that does not come is named, with its
    node.
    BIFOCAL_RAY_TOKEN is for a cluster that asks for one.

    With --context, of a Kubernetes cluster instead: versions, KubeRay, custom resources, nodes and
    their GPUs against what the values ask (--config, else those of the release), disks, clocks,
    storage, secrets, who keeps network policies, pods that do not run, the gateway and its pools.
    """
    if context is None:
        nothing_of_a_cluster(namespace, release)
    if context or url:
        if context and url:
            what = "--url and --context both name a service"
            raise Failure(Exit.BAD_INPUT, what, "give one of them")
        kubectl = Kubectl(context, namespace) if context else None
        far = of_context(kubectl, release, config) if kubectl else of_address(url or "")
        _end(list(far), {}, as_json=as_json)
    cluster = cluster_of(config or file_here())
    pools = pools_of(cluster)
    running = running_here(os.environ)
    address = _checked(ray_address) or _own_cluster(running)
    here = _here(cluster, pools, running, address, elsewhere=ray_address is not None)
    ranked = [asked(pool, limit) for pool in pools if pool.layout.ranks > 1]
    findings = [*of_here(here), *_beside(cluster, pools, running)]
    reductions: list[dict[str, Any]] = []
    if address is None:
        findings += of_no_cluster(ranked, None)
    else:
        ray_env = _environment(named=ray_address is not None)
        found, told = _examined(address, ranked, here, ray_env)
        findings += found
        reductions = [reduction.as_json(each) for each in told.reduced] if told else []
    _end(findings, {"all_reduce": reductions}, as_json=as_json)


def _end(findings: list[Finding], more: Mapping[str, Any], *, as_json: bool) -> NoReturn:
    shown = report(findings) | dict(more)
    typer.echo(json.dumps(shown, indent=2) if as_json else text(findings))
    raise typer.Exit(Exit.OK if is_fine(findings) else Exit.FAILED)


def _beside(cluster: Cluster, pools: list[Pool], running: Running | None) -> Iterator[Finding]:
    """The hub, and who listens of what runs here."""
    hubs: dict[str, list[str]] = defaultdict(list)
    for pool in pools:
        if pool.weights is not None and not cluster.weights.offline:
            hubs[_hub(pool.weights)].append(pool.name)
    for address, models in hubs.items():
        if address:
            yield of_hub(address, tuple(models))
    if running is not None:
        leaders = (running.supervisor, running.head, running.gateway)
        processes = [each for leader in leaders if leader for each in session(leader)]
        yield of_listeners(listeners(processes), urlsplit(running.url).port or 0)


def _hub(wanted: Wanted) -> str:
    """Nothing for what comes from no hub."""
    settings = Settings.of({**os.environ, **wanted.env})
    scheme = parse(wanted.source).scheme
    return {Scheme.HF: settings.hub, Scheme.MODELSCOPE: settings.modelscope}.get(scheme, "")


def _examined(
    address: str, ranked: list[Asked], here: Here, env: Mapping[str, str]
) -> tuple[list[Finding], Report | None]:
    try:
        told = ask(Job(address, tuple(ranked)), env)
    except NoAnswer as error:
        return list(of_no_cluster(ranked, str(error))), None
    return list(of_cluster(told, ranked, here)), told


def here_of(cluster: Cluster, running: Running | None) -> Here:
    """This machine, and what runs or is to run on it."""
    return _here(cluster, pools_of(cluster), running, _own_cluster(running), elsewhere=False)


def _here(
    cluster: Cluster,
    pools: list[Pool],
    running: Running | None,
    address: str | None,
    *,
    elsewhere: bool,
) -> Here:
    """What runs already has its memory; of a cluster that is named, other nodes may have GPUs."""
    at, port = cluster.gateway.host, cluster.gateway.port
    taken = bool(port) and is_taken(at, port)
    by = (holder(port) or "another process") if taken else None
    ours = running is not None and running.url.endswith(f":{port}")
    needs = Needs(
        None if address else needed_gib(pools),
        max((_ranks_on_a_node(pool) for pool in pools), default=1),
        address,
        () if elsewhere else wants_gpus(pools),
    )
    return Here(look(), needs, Port(at, port, by, ours=ours))


def _ranks_on_a_node(pool: Pool) -> int:
    per_node = pool.hardware.per_node
    return pool.layout.ranks if per_node is None else min(pool.layout.ranks, per_node)


def _checked(ray_address: str | None) -> str | None:
    if ray_address is not None and not _ADDRESS.fullmatch(ray_address):
        what = f"--ray-address: found {ray_address!r}; allowed: HOST:PORT, such as 10.0.0.1:6379"
        raise Failure(Exit.BAD_INPUT, what)
    return ray_address


def _own_cluster(running: Running | None) -> str | None:
    return f"{LOOPBACK}:{running.ports.gcs}" if running else None


def _environment(*, named: bool) -> dict[str, str]:
    """By which a Ray program enters the cluster."""
    if named:
        token = _given_token()
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
        return {**os.environ, **secret}
    return {**os.environ, **entry(StateFolder.of(os.environ).ray_token_file)}


def _given_token() -> str | None:
    try:
        return environment(os.environ).ray_token
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
