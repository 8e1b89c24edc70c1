"""The verbs: where each lives, what its line in the help says, and examples of its use.

Only the verb that is called is loaded: `bifocal --help` must not wait for what serving needs.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Verb:
    """`home` is `module:name` of a function, or of a Typer with verbs of its own."""

    home: str
    says: str
    examples: tuple[str, ...]


VERBS: Final[Mapping[str, Verb]] = {
    "up": Verb(
        "deploy.cli.up:up",
        "Start Ray, the pools and the gateway on this machine.",
        ("bifocal up", "bifocal up --config bifocal.yaml --detach"),
    ),
    "apply": Verb(
        "deploy.cli.apply:apply",
        "Change the running service to what a cluster file says.",
        ("bifocal apply --config bifocal.yaml --dry-run", "bifocal apply --config bifocal.yaml"),
    ),
    "down": Verb("deploy.cli.down:down", "Stop the service on this machine.", ("bifocal down",)),
    "status": Verb(
        "deploy.cli.status:status",
        "Show pools, replicas, gateway and ports.",
        ("bifocal status", "bifocal status --json | jq .ready"),
    ),
    "top": Verb(
        "deploy.cli.top:top",
        "Watch pools, queues, speed and decisions live.",
        (
            "bifocal top",
            "bifocal top --every 5 --json | jq '.pools[].tokens_s'",
            "bifocal top --every 20 --svg top.svg",
        ),
    ),
    "doctor": Verb(
        "deploy.cli.doctor:doctor",
        "Check machines, and let the ranks of each pool try their network.",
        (
            "bifocal doctor",
            "bifocal doctor --config bifocal.yaml --ray-address ray-head:6379 --limit 30",
            "bifocal doctor --json | jq '.findings[] | select(.verdict == \"fail\")'",
        ),
    ),
    "bundle": Verb(
        "deploy.cli.bundle:bundle",
        "Gather what support needs into one archive, and list what is in it.",
        (
            "bifocal bundle --dry-run",
            "bifocal bundle --context prod --namespace bifocal --out bundle.tar.gz",
        ),
    ),
    "chat": Verb(
        "deploy.cli.chat:chat",
        "Ask one question and see the answer as it is written.",
        (
            "bifocal chat 'What is the capital of France?'",
            "bifocal chat --model deep 'What is 48213 + 9377 + 60418?'",
            "bifocal chat --no-think --json 'hello' | jq -r .content",
            "git diff | bifocal chat -",
        ),
    ),
    "route": Verb(
        "deploy.cli.route:route",
        "Show which model would answer, whether it would think, and why.",
        (
            "bifocal route 'What is 48213 + 9377 + 60418?'",
            "bifocal route --json --config bifocal.yaml 'hello'",
        ),
    ),
    "plan": Verb(
        "deploy.cli.plan:plan",
        "Plan how a model is cut over GPUs, and prove that it fits.",
        (
            "bifocal plan --model qwen3-235b-a22b --precision fp8 --gpu h100-80g",
            "bifocal plan --model Qwen/Qwen3-235B-A22B --gpu h100-80g --nodes 2 --context 32768",
            "bifocal plan --config-json config.json --gpu l4-24g --gpus-per-node 1",
            "bifocal plan --model qwen3-32b --gpu a100-80g --concurrency 64 --prompt 8192",
            "bifocal plan --values values.yaml > layouts.yaml",
        ),
    ),
    "diff": Verb(
        "deploy.cli.diff:diff",
        "Say what an upgrade of the chart would do, and to whom, before it is done.",
        (
            "bifocal diff values.yaml next.yaml",
            "bifocal diff next.yaml,layouts.yaml --release llm --namespace bifocal",
            "bifocal diff old-manifests.yaml new-manifests.yaml --json | jq .away",
        ),
    ),
    "gateway": Verb(
        "deploy.cli.gateway:gateway",
        "Run the endpoint alone, in front of pools that run elsewhere.",
        ("bifocal gateway --config bifocal.yaml --ray-url http://ray-head:8265",),
    ),
    "config": Verb(
        "deploy.cli.config:app",
        "Check a cluster file, or print its schema.",
        ("bifocal config check bifocal.yaml", "bifocal config schema > bifocal.schema.json"),
    ),
    "key": Verb(
        "deploy.cli.key:app",
        "Make API keys, and take them back.",
        ("bifocal key new --team search --expires 90d", "bifocal key revoke 3fa9c1d20b44"),
    ),
    "pool": Verb(
        "deploy.cli.pool:app",
        "Let a pool take nothing new, and take it up again.",
        (
            "bifocal pool drain qwen3-8b --wait",
            "bifocal pool resume qwen3-8b --context prod --namespace bifocal",
        ),
    ),
    "mode": Verb(
        "deploy.cli.mode:app",
        "Send all that auto decides to the fast or the deep model.",
        ("bifocal mode force fast --for 30m", "bifocal mode force off"),
    ),
    "pocket": Verb(
        "deploy.cli.pocket:app",
        "Train the pocket models anew, or let them sit their exam.",
        ("bifocal pocket eval --json", "bifocal pocket train --out models"),
    ),
    "weights": Verb(
        "deploy.cli.weights:app",
        "Bring a model's weights to this machine, check them, list them.",
        (
            "bifocal weights pull Qwen/Qwen3-8B",
            "bifocal weights verify models/qwen3-8b",
            "bifocal weights list",
        ),
    ),
    "bench": Verb(
        "deploy.cli.bench:bench",
        "Measure what the gateway costs, side by side with what it could be.",
        ("bifocal bench --only mock", "bifocal bench --json bench.json --plot bench.png"),
    ),
    "chaos": Verb(
        "deploy.cli.chaos:chaos",
        "Kill and stop processes of a service under load, and tell what its clients saw.",
        ("bifocal chaos --only worker-stuck", "bifocal chaos --json faults.json"),
    ),
}


class Verbs(TyperGroup):
    """Lists the verbs from the table and loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # A verb's line in the help; `resolve_command` has the verb itself.
        self.commands = {
            name: TyperCommand(name, help=verb.says, short_help=verb.says)
            for name, verb in VERBS.items()
        }

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, known, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and known else known, rest


def loaded(name: str) -> Any:
    """The verb as a command, with its examples below its help."""
    verb = VERBS[name]
    module, attribute = verb.home.split(":")
    found = getattr(importlib.import_module(module), attribute)
    epilog = "\n".join(["\b", "Examples:", *(f"  {example}" for example in verb.examples)])
    if isinstance(found, typer.Typer):
        found.info.epilog = epilog
        group = typer.main.get_group(found)
        group.name = name
        return group
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(name, epilog=epilog)(found)
    return typer.main.get_command(app)
