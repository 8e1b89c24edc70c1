"""Looks at a Kubernetes cluster through kubectl, with the rights of whoever asks."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from deploy.doctor.kube import Kubernetes, Node, Operator, Pod, Secret
from deploy.kubectl import Kubectl, Refused

T = TypeVar("T")
OPERATOR: Final = "app.kubernetes.io/name=kuberay-operator"
INSTANCE: Final = "app.kubernetes.io/instance"
PART: Final = "app.kubernetes.io/component"
PARTS: Final = ("gateway", "pools", "weights", "secrets", "renew")
"""Of the chart, as its pods are labelled; no other label of the chart's objects is on pods."""
GPU: Final = "nvidia.com/gpu"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_UNITS: Final = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9,
    "T": 10**12,
}  # fmt: skip


def look(kubectl: Kubectl, release: str | None = None, now: datetime | None = None) -> Kubernetes:
    """Without `release` pods are those of any. Raises Refused where the API server does not answer
    at all."""
    version = kubectl.json("version")["serverVersion"]["gitVersion"]
    unseen: dict[str, str] = {}

    def of(what: str, read: Callable[[list[Any]], T], *arguments: str) -> T:
        try:
            items = kubectl.json("get", *arguments)["items"]
        except Refused as error:
            unseen[what] = error.what
            items = []
        return read(items)

    renewed = of("leases", _leases, "leases", "--namespace", "kube-node-lease")
    at = now or datetime.now(UTC)
    return Kubernetes(
        version=version,
        definitions=of("definitions", _definitions, "customresourcedefinitions"),
        operators=of("operators", _operators, "deployments", "--all-namespaces", "-l", OPERATOR),
        nodes=of("nodes", lambda items: tuple(_nodes(items, renewed, at)), "nodes"),
        classes=of("classes", _classes, "storageclasses"),
        daemons=of("daemons", _names, "daemonsets", "--all-namespaces"),
        secrets=of("secrets", _secrets, "secrets"),
        claims=of("claims", _claims, "persistentvolumeclaims"),
        pods=of("pods", lambda items: tuple(_pods(items)), "pods", "-l", pods_of(release)),
        unseen=unseen,
    )


def pods_of(release: str | None) -> str:
    """By what the chart's pods are selected."""
    parts = f"{PART} in ({', '.join(PARTS)})"
    return parts if release is None else f"{parts},{INSTANCE}={release}"


def _names(items: Iterable[Any]) -> frozenset[str]:
    return frozenset(each["metadata"]["name"] for each in items)


def _definitions(items: Iterable[Any]) -> dict[str, frozenset[str]]:
    return {
        each["metadata"]["name"]: frozenset(
            version["name"] for version in each["spec"]["versions"] if version["served"]
        )
        for each in items
    }


def _operators(items: Iterable[Any]) -> tuple[Operator, ...]:
    return tuple(
        Operator(
            each["metadata"]["namespace"],
            each["spec"]["template"]["spec"]["containers"][0]["image"],
            bool((each.get("status") or {}).get("readyReplicas")),
        )
        for each in items
    )


def _leases(items: Iterable[Any]) -> dict[str, datetime]:
    return {
        each["metadata"]["name"]: datetime.fromisoformat(each["spec"]["renewTime"])
        for each in items
        if (each.get("spec") or {}).get("renewTime")
    }


def _nodes(items: Iterable[Any], renewed: dict[str, datetime], now: datetime) -> Iterator[Node]:
    for each in items:
        name, spec, status = each["metadata"]["name"], each["spec"], each.get("status") or {}
        holding = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
        allocatable = status.get("allocatable") or {}
        yield Node(
            name=name,
            ready="Ready" in holding,
            cordoned=bool(spec.get("unschedulable")),
            pressures=tuple(sorted(kind for kind in holding if kind.endswith("Pressure"))),
            labels=each["metadata"].get("labels") or {},
            taints=tuple(
                (taint["key"], taint.get("value", ""), taint["effect"])
                for taint in spec.get("taints") or ()
                # What a node's own state brings about is told by its conditions.
                if not taint["key"].startswith("node.kubernetes.io/")
            ),
            gpus=int(allocatable.get(GPU, 0)),
            disk=_bytes(allocatable.get("ephemeral-storage", "0")),
            behind_s=(now - renewed[name]).total_seconds() if name in renewed else None,
        )


def _classes(items: Iterable[Any]) -> dict[str, bool]:
    return {
        each["metadata"]["name"]: (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS)
        == "true"
        for each in items
    }


def _secrets(items: Iterable[Any]) -> dict[str, Secret]:
    """Names of their entries; what is in them is not kept."""
    return {
        each["metadata"]["name"]: Secret(
            each.get("type", "Opaque"), frozenset(each.get("data") or ())
        )
        for each in items
    }


def _claims(items: Iterable[Any]) -> dict[str, str]:
    return {each["metadata"]["name"]: each["status"].get("phase", "?") for each in items}


def _pods(items: Iterable[Any]) -> Iterator[Pod]:
    """Those that wait, or whose containers do not run, with the reason that Kubernetes has."""
    for each in items:
        status = each.get("status") or {}
        if why := _why(status):
            yield Pod(each["metadata"]["name"], why)


def _why(status: Any) -> str | None:
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        waiting = container["state"].get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            last = (container.get("lastState") or {}).get("terminated") or {}
            after = f", last ended by {last['reason']}" if last.get("reason") else ""
            return f"{container['name']}: {waiting['reason']}{after}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', 'not scheduled')}: {condition.get('message', '')}"
    if status.get("phase") == "Failed":
        return f"failed: {status.get('reason') or status.get('message') or '?'}"
    return None


def _bytes(text: str) -> int:
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    return int(float(text.removesuffix(unit) or 0) * _UNITS.get(unit, 1))
