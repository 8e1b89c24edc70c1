"""KubeRay's rule both ways: what its hash sees is another cluster, what it does not see is none."""

from copy import deepcopy
from typing import Any

import pytest

from deploy.diff.kuberay import EACH, MUTED, SEEN, Cluster, How, becomes, muted, reasons

MUTED_BY_KUBERAY = {
    "upgradeStrategy",
    "suspend",
    "headGroupSpec.template.spec.tolerations",
    "headGroupSpec.template.spec.schedulingGates",
    "workerGroupSpecs[].replicas",
    "workerGroupSpecs[].minReplicas",
    "workerGroupSpecs[].maxReplicas",
    "workerGroupSpecs[].scaleStrategy.workersToDelete",
    "workerGroupSpecs[].template.spec.tolerations",
    "workerGroupSpecs[].template.spec.schedulingGates",
}
"""Copied by hand from its source, v1.7.0: the fields that are set to nil before the hash."""


def pod(image: str) -> dict[str, Any]:
    container = {"name": "ray", "image": image, "resources": {"limits": {"memory": "8Gi"}}}
    volumes = [{"name": "tmp", "emptyDir": {}}]
    return {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [container], "volumes": volumes},
    }


def cluster(*groups: str) -> dict[str, Any]:
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": pod("ray:1")},
        "workerGroupSpecs": [
            {
                "groupName": name,
                "replicas": 1,
                "minReplicas": 1,
                "maxReplicas": 1,
                "rayStartParams": {"num-cpus": "5"},
                "template": pod("ray:1"),
            }
            for name in groups or ("gpu",)
        ],
    }  # fmt: skip


def with_(path: tuple[str, ...], value: Any, *groups: str) -> dict[str, Any]:
    """A cluster that has the value there, in its first group of workers."""
    found = cluster(*groups)
    at: Any = found
    for key in path[:-1]:
        at = at[0] if key == EACH else at.setdefault(key, {})
    at[path[-1]] = value
    return found


FIELDS = [
    *((path, how) for path, how in MUTED.items()),
    *(((*at, name), None) for at, names in SEEN.items() for name in sorted(names)),
]


@pytest.mark.parametrize(
    ("path", "how"), FIELDS, ids=lambda each: ".".join(each) if isinstance(each, tuple) else ""
)
def test_a_field_is_seen_unless_kuberay_takes_it_out_of_the_hash(
    path: tuple[str, ...], how: How | None
) -> None:
    name = ".".join(path).replace(f".{EACH}", EACH)
    assert (how is not None) == (name in MUTED_BY_KUBERAY)
    after = with_(path, {"some": "thing"})
    if how is None:
        assert becomes(cluster(), after) is Cluster.ANOTHER
        assert muted(cluster(), after) == {}
        assert len(reasons(cluster(), after)) >= 1
    else:
        assert becomes(cluster(), after) is Cluster.SAME
        assert muted(cluster(), after) == {name: how}
        assert reasons(cluster(), after) == ()


def test_nothing_that_kuberay_takes_out_is_forgotten() -> None:
    assert {".".join(path).replace(f".{EACH}", EACH) for path in MUTED} == MUTED_BY_KUBERAY


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(cluster("a"), cluster("a", "b"), Cluster.APPENDED, id="a group after"),
        pytest.param(cluster("a"), cluster("b", "a"), Cluster.ANOTHER, id="a group in front"),
        pytest.param(cluster("a", "b"), cluster("b", "a"), Cluster.ANOTHER, id="another order"),
        pytest.param(cluster("a", "b"), cluster("a"), Cluster.ANOTHER, id="a group less"),
        pytest.param(
            cluster("a"),
            with_(("rayVersion",), "2.61.0", "a", "b"),
            Cluster.ANOTHER,
            id="a group after, and another version",
        ),
        pytest.param(
            cluster("a"),
            with_(("workerGroupSpecs", EACH, "replicas"), 7, "a", "b"),
            Cluster.APPENDED,
            id="a group after, and another number",
        ),
    ],
)
def test_groups_are_only_appended(before: Any, after: Any, expected: Cluster) -> None:
    assert becomes(before, after) is expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("workerGroupSpecs", EACH, "numOfHosts"), 1, id="numOfHosts"),
        pytest.param(("workerGroupSpecs", EACH, "priority"), 0, id="priority"),
        pytest.param(("workerGroupSpecs", EACH, "labels"), {}, id="no labels"),
        pytest.param(
            ("workerGroupSpecs", EACH, "template", "spec", "nodeSelector"), {}, id="no nodes"
        ),
        pytest.param(
            ("headGroupSpec", "template", "spec", "initContainers"), [], id="an empty list"
        ),
        pytest.param(("authOptions",), None, id="null"),
    ],
)
def test_a_default_that_is_written_out_is_no_change(path: tuple[str, ...], value: Any) -> None:
    assert becomes(cluster(), with_(path, value)) is Cluster.SAME


def test_what_is_deep_inside_is_seen_and_named() -> None:
    after = deepcopy(cluster())
    after["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["image"] = "ray:2"
    assert becomes(cluster(), after) is Cluster.ANOTHER
    assert reasons(cluster(), after) == (
        "workerGroupSpecs[gpu].template.spec.containers[ray].image",
    )


def test_an_empty_folder_is_something() -> None:
    after = deepcopy(cluster())
    after["headGroupSpec"]["template"]["spec"]["volumes"][0] = {"name": "tmp"}
    assert becomes(cluster(), after) is Cluster.ANOTHER
