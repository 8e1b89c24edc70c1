"""Runs the stages named on the command line in order and prints the minutes that each took.

    python -m tests.stages check unit process engine

The first failing stage ends the run with its exit code.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
PYTEST = (PYTHON, "-m", "pytest")
UNIT = "not process and not engine and not install and not watch"
PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--timeout", "120")
SOURCES = ("serving", "ops", "deploy", "tests")

STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "check": (
        (PYTHON, "-m", "ruff", "format", "--check", *SOURCES),
        (PYTHON, "-m", "ruff", "check", *SOURCES),
        (PYTHON, "-m", "mypy"),
        (str(Path(PYTHON).with_name("lint-imports")),),
    ),
    "unit": ((*PYTEST, "-q", "-m", UNIT, "--durations", "15", *PARALLEL),),
    "process": ((*PYTEST, "-q", "-m", "process", "--durations", "15", *PARALLEL),),
    "install": ((*PYTEST, "-v", "-m", "install and not long", "--durations", "15"),),
    "engine": ((*PYTEST, "-v", "-m", "engine and not long", "--durations", "15"),),
    "watch": ((*PYTEST, "-v", "-m", "watch", "--durations", "15"),),
    "long": ((*PYTEST, "-v", "-m", "long", "--durations", "15"),),
}


def run(stage: str) -> int:
    """The exit code of the stage's first failing command, else 0."""
    for command in STAGES[stage]:
        if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
            return code
    return 0


def main(stages: list[str]) -> int:
    if unknown := [stage for stage in stages if stage not in STAGES]:
        print(f"stages: {', '.join(unknown)} unknown; there are {', '.join(STAGES)}")
        return 2
    minutes: dict[str, float] = {}
    code = 0
    for stage in stages:
        print(f"== {stage}", flush=True)
        began = time.monotonic()
        code = run(stage)
        minutes[stage] = (time.monotonic() - began) / 60
        if code:
            print(f"stages: {stage} failed", flush=True)
            break
    print("minutes by stage: " + ", ".join(f"{name} {took:.1f}" for name, took in minutes.items()))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
