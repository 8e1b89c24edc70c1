import importlib
import inspect
import re
import shlex
import subprocess
import sys

import pytest
import typer

from deploy.cli.verbs import VERBS, loaded
from deploy.failure import Exit


def test_the_help_lists_every_verb_and_the_exit_codes(bifocal):
    done = bifocal("--help")
    assert done.code == 0
    said = " ".join(done.out.split())
    codes = said.partition("Exit codes: ")[2]
    assert [int(code) for code in re.findall(r"\b\d\b", codes)] == sorted(Exit)
    for verb in VERBS.values():
        assert verb.says in said


def test_the_version_is_the_distributions(bifocal):
    assert bifocal("--version").out == "bifocal 0.1.0\n"


@pytest.mark.parametrize("name", VERBS)
def test_a_verbs_help_says_the_same_as_the_list_and_shows_examples(bifocal, name):
    done = bifocal(name, "--help")
    assert done.code == 0
    assert VERBS[name].says in " ".join(done.out.split())
    for example in VERBS[name].examples:
        assert example in done.out


@pytest.mark.parametrize("name", VERBS)
def test_a_verbs_line_is_the_first_of_its_docstring(name):
    module, attribute = VERBS[name].home.split(":")
    found = getattr(importlib.import_module(module), attribute)
    said = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert said.splitlines()[0] == VERBS[name].says


@pytest.mark.parametrize(
    "example",
    [e for verb in VERBS.values() for e in verb.examples],
)
def test_every_example_is_one_that_the_command_takes(example):
    words = shlex.shlex(example, posix=True, punctuation_chars="|<>")
    words.whitespace_split = True
    parts = list(words)
    start = parts.index("bifocal") + 1
    end = next((i for i in range(start, len(parts)) if parts[i] in ("|", ">", "<")), len(parts))
    name, *arguments = parts[start:end]
    command = loaded(name)
    context = command.make_context(name, list(arguments))
    if rest := [*context._protected_args, *context.args]:
        sub, known, more = command.resolve_command(context, rest)
        known.make_context(sub, more, parent=context)


def test_a_mistyped_verb_is_bad_input_and_the_near_one_is_told(bifocal):
    done = bifocal("rout", "x")
    assert done.code == 2
    assert "Did you mean 'route'?" in done.err


def test_asking_for_help_loads_nothing_that_serves():
    code = (
        "import sys, deploy.cli.main\n"
        "heavy = {'ray', 'vllm', 'torch', 'transformers', 'aiohttp', 'pydantic', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.process
def test_loading_the_verbs_loads_no_engine():
    code = (
        "import sys; from deploy.cli.verbs import VERBS, loaded; list(map(loaded, VERBS))\n"
        "print(sorted({'ray', 'vllm', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
