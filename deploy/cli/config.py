"""`bifocal config`: check a cluster file or the chart's values, print the schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import BaseModel

from deploy.allowed import keys_of
from deploy.chart.values import GatewayValues, GpuValues, Values
from deploy.cli.inputs import cluster_of
from deploy.config import Cluster, ConfigError, load_as, schema
from deploy.environment import address_of
from deploy.failure import Exit, Failure
from deploy.fitting import Models, sizes_of, taken
from deploy.groups import GpuSpec
from deploy.inspection import inspected
from deploy.layouts import is_ranked, with_layouts
from deploy.reading import UnreadableFile, read_document
from ops.prometheus import configuration
from serving.config import GatewaySpec
from serving.layout.words import sizes_words
from serving.routing import Family

app = typer.Typer(
    help="Check a cluster file, or print its schema.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("check", epilog="\b\nExamples:\n  bifocal config check bifocal.yaml")
def check(
    file: Annotated[Path, typer.Argument(help="The cluster file, or values of the Helm chart.")],
) -> None:
    """Say what is wrong with a cluster file, every problem at once, or what it would serve.

    A file with a key that only Kubernetes knows is read as values of the chart; the first line of
    the answer says as what it was read.

    Files that it names (keys, tokens, folders of weights) are looked at, too. One that is broken is
    a problem; one that is not there yet, or may be on the nodes alone, is a warning.
    """
    cluster, read_as = _read(file)
    remarks = list(inspected(cluster, file.parent))
    for each in remarks:
        if each.is_warning:
            typer.echo(f"warning: {each.text}", err=True)
    if wrong := [f"{file}: {each.text}" for each in remarks if not each.is_warning]:
        raise Failure(Exit.BAD_INPUT, "\n".join(wrong))
    typer.echo("\n".join([f"{file}: good, read as {read_as}", *_summary(cluster)]))


@app.command("schema", epilog="\b\nExamples:\n  bifocal config schema > bifocal.schema.json")
def print_schema() -> None:
    """Print the JSON schema of the cluster file, for editors and for Helm."""
    typer.echo(json.dumps(schema(), indent=2))


@app.command(
    "prometheus",
    epilog="\b\nExamples:\n  bifocal config prometheus --key-file metrics.key > prometheus.yml",
)
def print_prometheus(
    url: Annotated[str, typer.Option(help="The gateway's address, as Prometheus reaches it.")] = (
        "http://127.0.0.1:8000"
    ),
    key_file: Annotated[
        Path | None, typer.Option(help="A file with a key, where the gateway asks for one.")
    ] = None,
    ray: Annotated[
        list[str] | None,
        typer.Option(
            "--ray",
            help="Where an agent of Ray's shows its metrics (`bifocal status --json`: "
            "`ports.metrics`), for what dashboards say of nodes and GPUs; once a node.",
            metavar="<host:port>",
        ),
    ] = None,
) -> None:
    """Print a Prometheus configuration that watches a service.

    It names the gateway; the replicas, as they come and go, are found through it.
    """
    try:
        gateway = address_of("--url", url)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
    made = configuration(gateway, key_file=key_file, ray=ray or ())
    typer.echo(yaml.safe_dump(made, sort_keys=False), nl=False)


def _read(file: Path) -> tuple[Cluster, str]:
    """And in words as what it was read."""
    try:
        told = next(_of_kubernetes(read_document(file).data), None)
    except UnreadableFile:
        told = None  # who reads it as a cluster file says why
    if told is None:
        return cluster_of(file), "a cluster file"
    read_as = f"values of the Helm chart, as it has {told}"
    try:
        return load_as(Values, file), read_as
    except ConfigError as error:
        remedy = f"read as {read_as}; the chart's values.yaml shows what they may hold"
        raise Failure(Exit.BAD_INPUT, str(error), remedy) from None


def _of_kubernetes(data: object) -> Iterator[str]:
    """Keys that values may have and a cluster file may not."""
    if not isinstance(data, dict):
        return
    yield from _more(data, Cluster, Values)
    yield from (f"gateway.{key}" for key in _more(data.get("gateway"), GatewaySpec, GatewayValues))
    groups = data.get("gpus")
    for name, group in groups.items() if isinstance(groups, dict) else ():
        yield from (f"gpus.{name}.{key}" for key in _more(group, GpuSpec, GpuValues))


def _more(section: object, ours: type[BaseModel], theirs: type[BaseModel]) -> list[str]:
    known = keys_of(ours)
    found = section if isinstance(section, dict) else {}
    return [key for key in keys_of(theirs) if key in found and key not in known]


def _summary(cluster: Cluster) -> Iterator[str]:
    family = Family.of(cluster.served, cluster.router.fast, cluster.router.deep)
    models = with_layouts(cluster.models, cluster.gpus)
    for name, facts in cluster.served.items():
        modes, spec = " and ".join(facts.modes.offered), models[name]
        cut = f" ({sizes_words(sizes_of(spec.layout))})" if spec.layout.ranks > 1 else ""
        yield f"  {name:24} {facts.context:7,} tokens, {modes}, on {spec.on}{cut}"
    yield f"fast     {family.fast}"
    yield f"deep     {family.deep}"
    yield f"gateway  {_gateway(cluster)}"
    yield from _gpus(cluster, models)


def _gateway(cluster: Cluster) -> str:
    if isinstance(cluster, Values):  # its address and its keys are the chart's
        return f"{cluster.gateway.replicas} pods"
    keys = cluster.gateway.keys or "none, so on loopback only"
    return f"{cluster.gateway.host}:{cluster.gateway.port}, keys: {keys}"


def _gpus(cluster: Cluster, models: Models) -> Iterator[str]:
    """What a person may not have meant: GPUs for nobody, and layouts that no planner ranked."""
    for name, group in cluster.gpus.items():
        if group.is_cpu:
            continue
        on = {key: spec for key, spec in models.items() if spec.on == name and not spec.targets}
        if (free := group.ranks - taken(on)) > 0:
            yield f"idle     {free} of the {group.ranks} GPUs of {name}: no model ever takes them"
        if on and not is_ranked(group.kind):
            yield (
                f"unknown  {group.kind} of {name}: layouts are held against the memory in its name "
                "alone, and not ranked"
            )
