"""`bifocal doctor`: whether machines and networks are fit for what the cluster file says.

Exit codes: 0 fine, 1 something fails, 2 bad input.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.examine import of_address, of_context
from deploy.cli.inputs import ConfigHere, Context, Json, Namespace, Release, service_of
from deploy.cli.machines import of_machines
from deploy.cli.reach import one_service
from deploy.doctor.finding import is_fine, report, text
from deploy.failure import Exit, Failure
from deploy.kubectl import Kubectl


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
    key: Annotated[
        str | None,
        typer.Option("--key", help="With --url: does it open the models?  [env: BIFOCAL_KEY]"),
    ] = None,
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
    one_service(url, context, namespace, release)
    _nothing_unread(config, ray_address, url, context)
    if key is not None and url is None:
        raise Failure(Exit.BAD_INPUT, "--key goes with --url", "with --context none is needed")
    more: dict[str, Any] = {}
    if url is not None:
        findings = list(of_address(*service_of(url, key)))
    elif context is not None:
        findings = list(of_context(Kubectl(context, namespace), release, config))
    else:
        findings, more["all_reduce"] = of_machines(config, ray_address, limit)
    shown = report(findings) | more
    typer.echo(json.dumps(shown, indent=2) if as_json else text(findings))
    raise typer.Exit(Exit.OK if is_fine(findings) else Exit.FAILED)


def _nothing_unread(
    config: Path | None, ray_address: str | None, url: str | None, context: str | None
) -> None:
    """What says something of machines goes where these are checked. Raises Failure."""
    where = "--context" if url is None else "--url"
    unread = {"--config": config and url, "--ray-address": ray_address and (url or context)}
    for option, given in unread.items():
        if given is not None:
            raise Failure(Exit.BAD_INPUT, f"{where} goes without {option}", "give one of them")
