"""Every command of the README does what it says, before real engines, and the sums that documents
ask are answered right."""

import re
import shlex
from pathlib import Path

import pytest

from tests.e2e.conftest import Service

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)

BY_CI = {"make demo", "make test"}
"""`.ci/run` runs them itself; nothing can run them from inside of the second."""
BY_THE_FIXTURE = {"bifocal up --detach", "bifocal down"}
"""How the shared service comes and goes."""
BY_THE_SHELL = {"source .venv/bin/activate"}
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SUM = re.compile(r"What is (\d+(?: \+ \d+)+)\?")
TRIES = 3
"""Answers are sampled, so one may miss."""


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README) if found == language]


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]
OURS = [line for line in COMMANDS if line not in BY_CI | BY_THE_FIXTURE | BY_THE_SHELL]


@pytest.mark.parametrize("line", OURS)
def test_a_command_of_the_readme_runs(service: Service, line: str) -> None:
    command, *arguments = shlex.split(line)
    assert command == "bifocal", f"who runs {line!r}?"
    if arguments[0] == "chat":  # the shared service took a free port
        arguments += ["--url", service.url]
    done = service.command(*arguments, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_ci_runs_what_the_readme_asks_of_make() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    assert set(COMMANDS) >= BY_CI
    assert all(f" {command}\n" in ci for command in BY_CI)


def test_the_python_of_the_readme_gets_the_sum_right(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python")
    assert "http://127.0.0.1:8000" in code
    program = compile(code.replace("http://127.0.0.1:8000", service.url), "README.md", "exec")
    for _ in range(TRIES):
        exec(program, {})
    assert str(48213 + 9377 + 60418) in capsys.readouterr().out


@pytest.mark.parametrize(
    "terms", sorted({each for d in DOCUMENTS for each in SUM.findall(d.read_text())})
)
def test_a_sum_that_a_document_asks_is_answered_right(service: Service, terms: str) -> None:
    ask = ("chat", f"What is {terms}?", "--url", service.url)
    answers = [service.command(*ask, timeout_s=120).stdout for _ in range(TRIES)]
    assert any(str(sum(map(int, terms.split(" + ")))) in answer for answer in answers), answers
