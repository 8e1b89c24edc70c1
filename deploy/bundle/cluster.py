"""What Kubernetes has of a release: objects, events, logs of its pods."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from deploy.bundle.archive import Entry
from deploy.bundle.scrub import Scrubber
from deploy.kubectl import Kubectl, Refused

Kinds = Mapping[str, str]
"""As they are asked for, and as they are named in what comes."""
OURS: Final[Kinds] = {
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "services": "Service",
    "configmaps": "ConfigMap",
    "pods": "Pod",
    "jobs": "Job",
    "networkpolicies": "NetworkPolicy",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "serviceaccounts": "ServiceAccount",
    "roles": "Role",
    "rolebindings": "RoleBinding",
    "rayservices": "RayService",
    "rayclusters": "RayCluster",
}
BESIDE: Final[Kinds] = {
    "events": "Event",
    "resourcequotas": "ResourceQuota",
    "limitranges": "LimitRange",
    "nodes": "Node",
    "storageclasses": "StorageClass",
}
"""Of the namespace, and of the whole cluster."""
NOISE: Final = ("managedFields",)
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, with whatever was in it."""


def entries(kubectl: Kubectl, selector: str, most: int, scrubber: Scrubber) -> Iterator[Entry]:
    """What may not be seen is told with the reason; `selector` finds the release's own."""
    yield _version(kubectl)
    yield from _objects(kubectl, OURS, ("-l", selector), scrubber)
    yield from _objects(kubectl, BESIDE, (), scrubber)
    yield _secrets(kubectl)
    yield from _logs(kubectl, selector, most, scrubber)


def _version(kubectl: Kubectl) -> Entry:
    try:
        return Entry("kubernetes/version.json", json.dumps(kubectl.json("version")).encode())
    except Refused as error:
        return Entry("kubernetes/version.missing", f"{error.what}\n".encode())


def _objects(
    kubectl: Kubectl, kinds: Kinds, where: tuple[str, ...], scrubber: Scrubber
) -> Iterator[Entry]:
    """All kinds in one question; where one of them may not be seen, each in one of its own."""
    try:
        items = kubectl.json("get", ",".join(kinds), *where)["items"]
    except Refused as error:
        if len(kinds) == 1:
            yield Entry(f"kubernetes/{next(iter(kinds))}.missing", f"{error.what}\n".encode())
            return
        for asked, named in kinds.items():
            yield from _objects(kubectl, {asked: named}, where, scrubber)
        return
    for asked, named in kinds.items():
        shown = [scrubber.value(_quiet(item)) for item in items if item["kind"] == named]
        yield Entry(f"kubernetes/{asked}.json", json.dumps(shown, indent=1).encode())


def _quiet(item: Any) -> Any:
    metadata = {name: value for name, value in item["metadata"].items() if name not in NOISE}
    if APPLIED in (annotations := metadata.get("annotations") or {}):
        metadata["annotations"] = {n: v for n, v in annotations.items() if n != APPLIED}
    return {**item, "metadata": metadata}


def _secrets(kubectl: Kubectl) -> Entry:
    """Names, and names of what is in them."""
    try:
        items = kubectl.json("get", "secrets")["items"]
    except Refused as error:
        return Entry("kubernetes/secrets.missing", f"{error.what}\n".encode())
    shown = {item["metadata"]["name"]: sorted(item.get("data") or ()) for item in items}
    return Entry("kubernetes/secrets.json", json.dumps(shown, indent=1).encode())


def _logs(kubectl: Kubectl, selector: str, most: int, scrubber: Scrubber) -> Iterator[Entry]:
    try:
        pods = kubectl.json("get", "pods", "-l", selector)["items"]
    except Refused:
        return  # told already, by the pods that are missing
    for pod in pods:
        name = pod["metadata"]["name"]
        for container in _containers(pod):
            for which in ((), ("--previous",)):
                yield from _log(kubectl, name, container, which, most, scrubber)


def _containers(pod: Any) -> Iterable[str]:
    """That have run."""
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind) or ():
            yield each["name"]


def _log(
    kubectl: Kubectl,
    pod: str,
    container: str,
    which: tuple[str, ...],
    most: int,
    scrubber: Scrubber,
) -> Iterator[Entry]:
    try:
        text = kubectl.run(
            "logs", pod, "--container", container, "--tail", f"{most // 100}", *which
        )
    except Refused as error:
        if not which:  # most containers have no life before this one
            yield Entry(f"logs/{pod}/{container}.missing", f"{error.what}\n".encode())
        return
    if cleaned := scrubber.log(text[-most:]):
        name = f"{container}.previous.log" if which else f"{container}.log"
        yield Entry(f"logs/{pod}/{name}", cleaned.encode())
