"""What the chart takes from our code is what our code says now."""

import json
import random
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.chart import defaults, schema, table
from deploy.chart.__main__ import CHART
from deploy.chart.values import Values
from deploy.config import POCKET
from deploy.reading import read_document

PROFILES = sorted((CHART / "profiles").glob("*.yaml"))
EXAMPLES = [*sorted((CHART.parents[1] / "examples").glob("*.yaml")), POCKET]
MOST_LINES, MOST_LINES_IN_ALL, WIDEST = 150, 700, 140


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("values.schema.json", schema.text, id="schema"),
        pytest.param("values.yaml", defaults.text, id="defaults"),
    ],
)
def test_a_made_file_is_current(name: str, text: Any) -> None:
    assert (CHART / name).read_text() == text(), "python -m deploy.chart"


def test_the_table_of_layouts_is_current() -> None:
    """All of its keys, and a part of its entries that is another one each time."""
    there = yaml.load((CHART / "layouts.yaml").read_text(), yaml.CSafeLoader)
    cuts = there.pop("cuts")
    combinations = {table.key(*each): each for each in table.combinations()}
    assert cuts.keys() == combinations.keys()
    for key in random.sample(sorted(combinations), 60):
        assert cuts[key] == table.entry(*combinations[key]), "python -m deploy.chart"
    assert there == table.head(), "python -m deploy.chart"


def test_every_object_of_the_schema_is_closed() -> None:
    """A map says what its values are, an object which keys it has."""
    for part in schema.parts(schema.schema()):
        if part.get("type") == "object":
            assert part.get("additionalProperties") not in (None, True), part


@pytest.mark.parametrize("path", [*PROFILES, *EXAMPLES], ids=lambda path: path.stem)
def test_a_cluster_file_is_a_file_of_values(path: Path) -> None:
    data = read_document(path).data
    jsonschema.Draft7Validator(json.loads((CHART / "values.schema.json").read_text())).validate(
        data
    )
    Values.model_validate(data)


def test_the_defaults_are_values_too() -> None:
    data = read_document(CHART / "values.yaml").data
    needed = read_document(PROFILES[0]).data
    whole = Values.model_validate(data | {key: needed[key] for key in ("gpus", "models")})
    bare = Values.model_validate({key: needed[key] for key in ("gpus", "models")})
    assert whole.model_dump() == bare.model_dump()


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        pytest.param(
            "gpus",
            {"NAME": {"tolerations": [], "resources": {}, "upgrade": {"strategy": "recreate"}}},
            id="gpus",
        ),
        pytest.param(
            "ingress",
            {"host": None, "className": None, "tlsSecret": None, "annotations": {}},
            id="ingress",
        ),
        pytest.param("route", {"host": None, "gateway": None, "namespace": None}, id="route"),
        pytest.param("redis", {"address": None, "secret": None}, id="redis"),
    ],
)
def test_the_defaults_show_in_a_comment_what_may_be_added(key: str, shown: object) -> None:
    """With all of its keys, and in YAML once the marks are taken away."""
    text = (CHART / "values.yaml").read_text()
    (block,) = re.findall(rf"^( *# {key}:\n(?: *#   .*\n)+)", text, re.M)
    bare = re.sub(r"^ *# ", "", block, flags=re.M)
    assert yaml.safe_load(bare) == {key: shown}


def test_templates_can_be_read_in_one_sitting() -> None:
    files = {
        path.name: path.read_text().splitlines()
        for path in (CHART / "templates").rglob("*")
        if path.is_file()
    }
    assert {name: len(lines) for name, lines in files.items() if len(lines) > MOST_LINES} == {}
    assert sum(map(len, files.values())) < MOST_LINES_IN_ALL
    wide = [
        f"{name}: {line}" for name, lines in files.items() for line in lines if len(line) > WIDEST
    ]
    assert wide == []


def test_the_clusters_run_the_ray_that_the_images_have() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    for extra in ("cpu", "gpu"):
        pins = [pin for pin in project["optional-dependencies"][extra] if pin.startswith("ray[")]
        assert [pin.rpartition("==")[2] for pin in pins] == [table.RAY]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]
