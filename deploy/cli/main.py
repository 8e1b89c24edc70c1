"""The root of the command: the version, the verbs, and one handler for what goes wrong."""

import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from deploy.cli.verbs import Verbs
from deploy.failure import Failure

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bifocal {version_of('bifocal')}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 does not fit (plan, diff), 4 not running "
    "or unreachable, 5 running already (up)."
)
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """One endpoint, two depths of thought: the Qwen3 family served on your own machines."""


def main() -> None:
    """Ends the process with one of `failure.Exit`."""
    try:
        app(prog_name="bifocal")
    except Failure as failure:
        failure.show()
        sys.exit(failure.code)
