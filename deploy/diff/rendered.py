"""One side of a comparison: what a release is made of, read from its manifests. Pure.

A rendered chart says everything itself: how pods look, what Serve is told, and in the gateway's
ConfigMap the cluster file that all of it was made of.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from deploy.config import Cluster
from deploy.failure import Exit, Failure

Object = dict[str, Any]
Key = tuple[str, str]
"""Kind and name."""

FILE: Final = "bifocal.yaml"
HOOK: Final = "helm.sh/hook"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of GPUs, as its RayService has it."""

    name: str
    """The entry of `gpus`."""
    cluster: Mapping[str, Any]
    """`rayClusterConfig`."""
    applications: Mapping[str, Mapping[str, Any]]
    """What Serve is told, by pool."""
    blue_green: bool
    rest: Mapping[str, Any]
    """Of the RayService's spec."""


@dataclass(frozen=True, slots=True)
class Rendered:
    objects: Mapping[Key, Object] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    file: Cluster | None = None

    def of_kind(self, kind: str) -> dict[str, Object]:
        return {name: each for (what, name), each in self.objects.items() if what == kind}


def rendered(text: str, whose: str) -> Rendered:
    """Of YAML documents. Raises Failure for what is no release of the chart."""
    try:
        documents = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    except yaml.YAMLError as error:
        raise Failure(Exit.BAD_INPUT, f"{whose}: not YAML: {error}") from None
    objects = {key: each for each in documents for key in _keys(each, whose)}
    found = dict(_groups(objects))
    files = [each["data"][FILE] for each in objects.values() if FILE in (each.get("data") or {})]
    if not found or len(files) != 1:
        what = f"{whose}: no release of the chart bifocal: no RayService, or no {FILE} in it"
        raise Failure(Exit.BAD_INPUT, what)
    return Rendered(objects, found, Cluster.model_validate(yaml.safe_load(files[0])))


def _keys(document: Any, whose: str) -> Iterator[Key]:
    if not isinstance(document, dict) or "kind" not in document:
        raise Failure(Exit.BAD_INPUT, f"{whose}: found a document that is no object of Kubernetes")
    metadata = document.get("metadata") or {}
    if HOOK not in (metadata.get("annotations") or {}):  # `helm test` is no part of what runs
        yield str(document["kind"]), str(metadata.get("name"))


def _groups(objects: Mapping[Key, Object]) -> Iterator[tuple[str, Group]]:
    for (kind, _), each in objects.items():
        if kind == "RayService":
            spec = dict(each["spec"])
            cluster, text = spec.pop("rayClusterConfig"), json.loads(spec.pop("serveConfigV2"))
            strategy = (spec.pop("upgradeStrategy", None) or {}).get("type", "NewCluster")
            # The chart has one group of workers in each, by the name of the entry.
            name = str(cluster["workerGroupSpecs"][0]["groupName"])
            told = {application["name"]: application for application in text["applications"]}
            yield name, Group(name, cluster, told, strategy == "NewCluster", spec)
