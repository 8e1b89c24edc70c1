"""`bifocal config`: check a cluster file, print the schema."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from deploy.cli.inputs import cluster_of
from deploy.config import Cluster, ConfigError, schema
from deploy.environment import address_of
from deploy.failure import Exit, Failure
from deploy.inspection import inspected
from deploy.layouts import sizes_of, with_layouts
from ops.prometheus import configuration
from serving.layout.words import sizes_words
from serving.routing import Family

app = typer.Typer(
    help="Check a cluster file, or print its schema.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("check", epilog="\b\nExamples:\n  bifocal config check bifocal.yaml")
def check(file: Annotated[Path, typer.Argument(help="The cluster file.")]) -> None:
    """Say what is wrong with a cluster file, every problem at once, or what it would serve.

    Files that it names (keys, tokens, folders of weights) are looked at, too. One that is broken is
    a problem; one that is not there yet, or may be on the nodes alone, is a warning.
    """
    cluster = cluster_of(file)
    remarks = list(inspected(cluster, file.parent))
    for each in remarks:
        if each.is_warning:
            typer.echo(f"warning: {each.text}", err=True)
    if wrong := [f"{file}: {each.text}" for each in remarks if not each.is_warning]:
        raise Failure(Exit.BAD_INPUT, "\n".join(wrong))
    typer.echo(_summary(file, cluster))


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


def _summary(file: Path, cluster: Cluster) -> str:
    family = Family.of(cluster.served, cluster.router.fast, cluster.router.deep)
    lines = [f"{file}: good"]
    models = with_layouts(cluster.models, cluster.gpus)
    for name, facts in cluster.served.items():
        modes, spec = " and ".join(facts.modes.offered), models[name]
        cut = f" ({sizes_words(sizes_of(spec.layout))})" if spec.layout.ranks > 1 else ""
        lines.append(f"  {name:24} {facts.context:7,} tokens, {modes}, on {spec.on}{cut}")
    keys = cluster.gateway.keys or "none, so on loopback only"
    lines += [
        f"fast     {family.fast}",
        f"deep     {family.deep}",
        f"gateway  {cluster.gateway.host}:{cluster.gateway.port}, keys: {keys}",
    ]
    return "\n".join(lines)
