"""The rows of the engine and of Ray are what the installed vLLM and Ray count: a name, a kind or a
label that changes with a version fails here, and not on a dashboard at night.

Their sources are read, not run: importing vLLM takes longer than all other unit tests."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from ops.metrics import ENGINE, EVERY, RAY, Kind, Metric
from ops.metrics.engine import FOUND

KINDS = {"_counter_cls": Kind.COUNTER, "_gauge_cls": Kind.GAUGE, "_histogram_cls": Kind.HISTOGRAM}
OF_ALL = ("engine",)
"""Beside `model_name`, which says no more than `model`."""


def package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def counted_by_vllm() -> Iterator[Metric]:
    """Each metric that is made in vLLM's Prometheus logger."""
    source = (package("vllm") / "v1" / "metrics" / "loggers.py").read_text()
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(func=ast.Attribute(attr=made)) if made in KINDS:
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                if isinstance(name := given["name"], ast.Constant) and isinstance(name.value, str):
                    kind = KINDS[made]
                    suffix = "_total" if kind is Kind.COUNTER else ""
                    yield Metric(f"{name.value}{suffix}", kind, "", "", labels(given["labelnames"]))


def labels(names: ast.expr) -> tuple[str, ...]:
    """`labelnames`, or `labelnames + [more]`."""
    match names:
        case ast.BinOp(right=ast.List(elts=more)):
            return (*OF_ALL, *(ast.literal_eval(each) for each in more))
    return OF_ALL


COUNTED = {row.name: row for row in counted_by_vllm()}


def test_vllms_source_is_read() -> None:
    assert len(COUNTED) > 25
    assert COUNTED["vllm:request_success_total"].labels == ("engine", "finished_reason")


@pytest.mark.parametrize("row", ENGINE, ids=lambda row: row.name)
def test_the_engine_counts_it(row: Metric) -> None:
    real = COUNTED[row.name]
    assert row.kind is real.kind
    assert row.labels == (*FOUND, *real.labels)


@pytest.mark.parametrize("row", RAY, ids=lambda row: row.name)
def test_ray_counts_it(row: Metric) -> None:
    """Ray adds the prefix. Gauges of its own core are defined in C++, seen by its dashboards."""
    ray = package("ray")
    places = (
        *(ray / "serve" / "_private").glob("*.py"),
        ray / "dashboard" / "modules" / "reporter" / "reporter_agent.py",
    )
    named = f'"{row.name.removeprefix("ray_")}"'
    dashboards = ray / "dashboard" / "modules" / "metrics" / "dashboards"
    shown = (dashboards / "default_dashboard_panels.py").read_text()
    assert any(named in place.read_text() for place in places) or f"{row.name}{{" in shown


def test_no_name_is_declared_twice() -> None:
    assert len({row.name for row in EVERY}) == len(EVERY)


@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_each_has_a_unit_and_a_meaning(row: Metric) -> None:
    assert row.unit
    assert len(row.meaning) > 12
