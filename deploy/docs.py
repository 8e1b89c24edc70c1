"""The reference pages, made from what they describe: `python -m deploy.docs` writes them.

The command's help, the cluster file's types and the router's tables are the only sources, so a
page cannot be out of date; a test compares the pages with what this makes.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from deploy.allowed import allowed, sections_in
from deploy.cli.verbs import VERBS, loaded
from deploy.config import Cluster
from deploy.environment import Environment
from serving.routing.choose import EFFORTS, RULES, WISHES
from serving.routing.family import Depth
from serving.routing.words import CODE, MATHS, REASONING, SUM
from serving.values import RequestFacts

DOCS: Final = Path(__file__).parents[1] / "docs"
_MADE: Final = "<!-- Made by `python -m deploy.docs`; edit what it is made from. -->"


def cli_page() -> str:
    """Every verb's help."""
    parts = [
        "# The command",
        _MADE,
        "Exit codes of every verb: 0 done; 1 failed, or a check found something wrong; 2 bad "
        "input, or a request that the service refuses; 3 it does not fit (`plan`, `diff`); 4 not "
        "running, or nothing answers there; 5 running already (`up`). What a script reads is on "
        "standard output, all else on standard error.",
    ]
    for name in VERBS:
        parts += _command(f"bifocal {name}", loaded(name))
    return "\n\n".join(parts) + "\n"


def _command(path: str, command: Any) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True, terminal_width=90)
    yield f"## `{path}`\n\n```\n{command.get_help(context).rstrip()}\n```"
    for name, sub in getattr(command, "commands", {}).items():
        yield from _command(f"{path} {name}", sub)


def config_page() -> str:
    """Every key of the cluster file."""
    parts = [
        "# The cluster file",
        _MADE,
        "One YAML file (`bifocal.yaml`) names the machines and the models; everything else has a "
        "default. `examples/` holds one for a laptop, one for a model that is cut in two on it, "
        "and one for GPU nodes. Keys are camelCase. "
        "An unknown or wrong key is refused with its place, what was found and what is allowed; "
        "`bifocal config check FILE` tells every problem at once (while keys are wrong it says "
        "that more may follow), also of values of the Helm chart, and looks at the files that it "
        "names; `bifocal config schema` "
        "prints the JSON schema. Durations and sizes carry a unit. Aliases are not taken; file "
        "names are relative to the cluster file.",
        *_section("The file", Cluster, []),
        "## Environment\n\nSecrets and addresses come from the environment, never from the file.",
        "| Variable | Meaning |\n|---|---|\n" + "\n".join(_variables()),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, section: type[BaseModel], done: list[type]) -> Iterator[str]:
    done.append(section)
    said = inspect.getdoc(section) or ""
    rows = ["| Key | Allowed | Default | Meaning |", "|---|---|---|---|"]
    inner: list[tuple[str, type[BaseModel]]] = []
    prefix = "" if section is Cluster else f"{title.strip('`')}."
    for name, field in section.model_fields.items():
        key = field.alias or name
        words = allowed(field.annotation, field.metadata)
        default = _default(field.get_default(call_default_factory=True, validated_data={}))
        rows.append(_row(f"`{key}`", words, default, field.description or ""))
        path = f"{prefix}{key}.NAME" if get_origin(field.annotation) is dict else f"{prefix}{key}"
        inner += [(path, found) for found in sections_in(field.annotation)]
    yield "\n\n".join([f"## {title}", said, "\n".join(rows)])
    for path, found in inner:
        if found not in done:
            yield from _section(f"`{path}`", found, done)


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, BaseModel):
        return "below"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def _variables() -> Iterator[str]:
    said = dict(
        re.findall(r'"""(BIFOCAL_\w+): (.*?)"""', inspect.getsource(Environment), re.DOTALL)
    )
    for name, meaning in said.items():
        yield _row(f"`{name}`", meaning)


def routing_page() -> str:
    """The precedence of wishes and the rules of `auto`."""
    wishes = [
        _row(str(number), wish.says, ", else ".join(wish.modes), wish.reason)
        for number, wish in enumerate(WISHES, 1)
    ]
    rules = [
        _row(str(number), rule.says, rule.depth, rule.depth.mode, rule.reason)
        for number, rule in enumerate(RULES, 1)
    ]
    languages = sorted({*SUM, *REASONING, *CODE, *MATHS} - {"any"})
    return _ROUTING.format(
        made=_MADE,
        own="\n".join(_row(f"`{d}`", f"the {d} model", d.mode) for d in Depth),
        wishes="\n".join(wishes),
        rules="\n".join(rules),
        efforts=", ".join(EFFORTS),
        languages=", ".join(languages),
        features="\n".join(_features()),
    )


def _features() -> Iterator[str]:
    source = inspect.getsource(RequestFacts)
    said = dict(re.findall(r'^    (\w+): [^\n]+\n    """(.*?)"""', source, re.M | re.S))
    for name in RequestFacts.__slots__:
        yield _row(f"`{name}`", said.get(name, ""))


def _row(*cells: object) -> str:
    """Of a table; a cell is one line."""
    return "| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |"


_ROUTING: Final = """# Which model answers, and whether it thinks

{made}
The router decides a model and a mode for every request, from the request alone. It is pure: the
same request gets the same route, and `bifocal route TEXT` shows it without a cluster. Every answer
carries the decision: `x-bifocal-model`, `x-bifocal-thinking` (on, off), `x-bifocal-reason`.

## The model

A wish for a model is its name: one of the cluster file's, or its Hugging Face id, in any case of
letters. Three names are virtual; a request without a model is `auto`.

| Name | Answers | Without a wish |
|---|---|---|
{own}
| `auto` | the rules below decide | the rules below decide |

Which models are fast and deep says `router` in the cluster file; by default the one with the
fewest active parameters that can answer without thinking, and the one with the most parameters
that can think.

## Thinking

The first wish that was made holds. As in Qwen3, the hard "off" stands above the soft switches, and
these above the hard "on". A soft switch is a word of its own: `/think/about.md` is a path.

| | Wish | Mode | Reason |
|---|---|---|---|
{wishes}

`reasoning_effort` takes {efforts}.
`minimal` means few or no reasoning tokens for the sake of time; a checkpoint that is let think
thinks at length, so "no" is nearer to it, and only one that can do nothing else thinks.

Without a wish a virtual model answers in its own mode and a named one in its checkpoint's (a hybrid
thinks). A mode that the checkpoint does not have is refused: 400, with the modes it has.

With `auto`, a wish to think goes to the deep model. A wish not to think goes to the fast one,
unless the rules call the request hard: then the deep model answers without thinking, since without
steps the larger model is right more often.

## The rules of `auto`

The first that fits holds. What is hard stands above offered tools, since agents offer tools with
every request; tools stand above length, since their prompts are always long.

| | Request | Model | Mode | Reason |
|---|---|---|---|---|
{rules}

## What an operator decides

`bifocal mode force fast|deep` ([operate.md](operate.md)) stands in the place of these rules until
it is lifted or its time is over: the reason is then `forced fast` or `forced deep`. It is a word
about `auto` alone. Whoever names a model, `fast` or `deep` gets it, and a wish about thinking
holds, on the forced model if that can do it and else on the other.

## What is looked at

The latest user turn, and of a long one its start and its end, so that the work is bounded; only a
soft switch is looked for in all of it. Words are known in {languages}.
A decision holds no text: these numbers and flags are all that is kept. It takes about 14
microseconds of one core on a short prompt, and 0.6 milliseconds on one of 100 kB.

| Feature | Meaning |
|---|---|
{features}
"""

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": cli_page,
    "config.md": config_page,
    "routing.md": routing_page,
}


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
