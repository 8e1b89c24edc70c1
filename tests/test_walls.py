"""The walls of the house: who loads what, who imports whom, what is public, what is never said."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PURE = (
    "serving.values",
    "serving.errors",
    "serving.observer",
    "serving.tracing",
    "serving.catalog",
    "serving.config",
    "serving.keys",
    "serving.thinking",
    "serving.routing",
    "serving.layout",
    "serving.admission",
    "serving.accounting",
    "serving.balance",
    "serving.wire",
)
HEAVY = {
    "ray",
    "vllm",
    "torch",
    "starlette",
    "aiohttp",
    "uvicorn",
    "prometheus_client",
    "opentelemetry",
}


def loaded_by(*modules: str) -> set[str]:
    """The top-level modules of a fresh interpreter that has imported these."""
    code = f"import sys, {', '.join(modules)}; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_pure_rooms_load_no_engine_no_server_and_no_metrics():
    assert loaded_by(*PURE) & HEAVY == set()


@pytest.mark.parametrize("room", ["serving.gateway", "deploy.app", "deploy.cli", "ops.metrics"])
def test_the_gateway_and_the_command_load_no_engine(room):
    assert loaded_by(room) & {"ray", "vllm", "torch", "transformers"} == set()


def test_imports_run_downwards_only():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


FACADES = {
    "serving.routing": {
        "AUTO",
        "EFFORTS",
        "VIRTUAL",
        "Depth",
        "Family",
        "Reason",
        "choose",
        "facts_of",
    },
    "serving.layout": {
        "BadModelConfig",
        "Demand",
        "Estimate",
        "Layout",
        "Load",
        "Memory",
        "Nodes",
        "Plan",
        "Precision",
        "Rank",
        "Sizes",
        "facts_of_config",
        "plan",
        "why_not",
    },
    "serving.gateway": {
        "FixedSource",
        "Gateway",
        "Peering",
        "RaySource",
        "Served",
        "Service",
        "StandingOrders",
        "TargetSource",
    },
    "ops.metrics": {
        "ENGINE",
        "EVERY",
        "PROCESS",
        "RAY",
        "TABLE",
        "Kind",
        "Metric",
        "PrometheusObserver",
    },
    "ops.traces": {"Traces"},
    "deploy.cli": {"main"},
}


@pytest.mark.parametrize("room", FACADES)
def test_a_facade_shows_what_it_promises_and_no_more(room):
    module = importlib.import_module(room)
    assert set(module.__all__) == FACADES[room]
    for name in module.__all__:
        assert hasattr(module, name)


UNSAID = re.compile(
    # Paths of one machine. `$ROOT/work`, `/proc/1/root` and `/workspace` are others'.
    r"(?<![\w.)}\]*-])/(?:work|root|home/[\w.-]+|tmp/(?:env|s\d\w*))(?![\w-])"
    r"|\b(?:pypi\.org|pythonhosted\.org|files\.pythonhosted|conda\.anaconda|npmjs)\b"
)
"""Paths and hosts that belong to the machine a file was written on."""


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_names_a_machine_or_a_registry():
    said = []
    for path in tracked():
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # weights
        said += [f"{path.relative_to(ROOT)}: {found[0]}" for found in UNSAID.finditer(text)]
    assert said == []


@pytest.mark.parametrize(
    "text",
    [
        "cd /work",
        '"/root/x"',
        "(/home/ada-l)",
        "`/tmp/s5/assets`",
        "X=/tmp/s12",
        "/tmp/env",
        "file:///work/x",
        "https://pypi.org",
    ],
)
def test_a_path_of_one_machine_is_found(text: str) -> None:
    assert UNSAID.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "$OVER/work",
        "${OVER}/work",
        "/proc/1/root/etc",
        "/workspace",
        "v1/worker/gpu.py",
        "/tmp/state",
        "/home",
        "a/root",
        "/root-ca",
    ],
)
def test_another_path_is_let_be(text: str) -> None:
    assert not UNSAID.search(text)


def test_each_list_of_requirements_names_a_package_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirements in lists:
        names = Counter(re.split(r"[\[<>=~!; ]", each, maxsplit=1)[0] for each in requirements)
        assert [name for name, count in names.items() if count > 1] == []


LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_of_a_page_leads_somewhere(page):
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text())]
    relative = [link for link in links if link and "://" not in link]
    assert [link for link in relative if not (page.parent / link).exists()] == []
