"""The custom resource's own list of fields, walked: whatever KubeRay adds must be put somewhere."""

import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from deploy.diff.kuberay import EACH, MUTED, SEEN, Cluster, Path, becomes
from tests.install.conftest import needed

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def schema() -> Schema:
    """Of `rayClusterConfig`."""
    folder = needed("crds") / "crds"
    crd = yaml.load((folder / "ray.io_rayservices.yaml").read_text(), yaml.CSafeLoader)
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    found: Schema = spec["rayClusterConfig"]
    return found


def at(schema: Schema, path: Path) -> Schema:
    for key in path:
        schema = schema["items"] if key == EACH else schema["properties"][key]
    return schema


def test_every_field_is_put_somewhere(schema: Schema) -> None:
    """On the levels where KubeRay leaves some out; below, all that is inside is seen."""
    for level, seen in SEEN.items():
        muted = {path[-1] for path in MUTED if path[:-1] == level}
        holders = {
            path[len(level)]
            for path in (*SEEN, *MUTED)
            if path[: len(level)] == level and len(path) > len(level) + 1
        }
        holders |= {
            path[len(level)]
            for path in SEEN
            if path[: len(level)] == level and len(path) == len(level) + 1
        }
        there = at(schema, level)["properties"].keys()
        assert seen | muted | holders == there, level
        assert not seen & muted


def leaves(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every field that has a value of its own, a thousand of them."""
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, (*path, name))
    elif "items" in schema and "properties" in schema["items"]:
        yield from leaves(schema["items"], (*path, EACH))
    else:
        yield path, schema


def value(schema: Schema) -> Any:
    if schema.get("x-kubernetes-int-or-string"):
        return "7"
    kinds = {"integer": 7, "boolean": True, "array": ["x"], "object": {"x": "y"}}
    return kinds.get(schema.get("type", ""), "x")


def with_(spec: dict[str, Any], path: Path, found: Any) -> dict[str, Any]:
    """The value there, in the first item of every list on the way."""
    whole: Any = deepcopy(spec)
    here = whole
    for key, after in itertools.pairwise(path):
        here = here[0] if key == EACH else here.setdefault(key, [{}] if after == EACH else {})
    here[path[-1]] = found
    return dict(whole)


def test_a_change_of_any_field_of_the_resource_is_seen_as_kuberay_sees_it(schema: Schema) -> None:
    found = list(leaves(schema))
    assert len(found) > 1500
    for path, inner in found:
        if path[-1] == EACH:
            continue
        before, after = with_({}, path, None), with_({}, path, value(inner))
        is_muted = any(path[: len(each)] == each for each in MUTED)
        expected = Cluster.SAME if is_muted else Cluster.ANOTHER
        assert becomes(before, after) is expected, ".".join(path)
