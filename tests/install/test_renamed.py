"""A value that bears another name now works under its old one, and the notes say so."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.chart.renamed import RENAMED, Renamed
from deploy.chart.values import Values
from deploy.reading import read_document
from tests.install.helm import CHART, PROFILES, Helm, Manifest, Refused
from tests.install.server import ApiServer

MIXED = next(path for path in PROFILES if path.stem == "mixed")
GIVEN = {"head.state.size": "3Gi", "head.state.storageClass": "fast"}
"""A value for each new name."""


def nested(name: str, value: object) -> Manifest:
    for key in reversed(name.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("renamed", RENAMED, ids=lambda each: each.was)
def test_the_old_name_renders_what_the_new_one_does(helm: Helm, renamed: Renamed) -> None:
    value = GIVEN[renamed.now]
    old = helm.template(MIXED, nested(renamed.was, value))
    assert old == helm.template(MIXED, nested(renamed.now, value))
    assert old != helm.template(MIXED)
    raw = read_document(MIXED).data
    both = [Values.model_validate({**raw, **nested(n, value)}) for n in (renamed.was, renamed.now)]
    assert both[0] == both[1]


def test_the_notes_say_so(helm: Helm, server: ApiServer, tmp_path: Path) -> None:
    there = replace(helm, kubeconfig=server.kubeconfig, home=tmp_path)
    old = nested(RENAMED[0].was, "3Gi")
    for more, told in ((old, True), ({}, False)):
        said = there("install", "llm", CHART, *there.values(MIXED, more), "--dry-run=client")
        assert (f"{RENAMED[0].was} is now {RENAMED[0].now}: write it so" in said) == told


def test_a_wrong_value_under_an_old_name_is_refused(helm: Helm) -> None:
    with pytest.raises(Refused, match="size"):
        helm.template(MIXED, nested("head.state.rocksdb.size", "much"))
    with pytest.raises(Refused, match="sise"):
        helm.template(MIXED, nested("head.state.rocksdb.sise", "1Gi"))


def test_an_old_name_ends_with_the_release_that_refuses_it() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    version = tuple(map(int, project["version"].split(".")))
    late = [each.was for each in RENAMED if version >= tuple(map(int, each.until.split(".")))]
    assert late == [], "take them out of deploy/chart/renamed.py"
