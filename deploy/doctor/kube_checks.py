"""Whether a Kubernetes cluster is fit for what the values ask: the cluster itself. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.kube import Group, Kubernetes, Node, Taint, Wants

OLDEST: Final = (1, 20)
RANGES_SINCE: Final = (1, 25)
"""Before that a NetworkPolicy knows no range of ports, and replicas' are one."""
OLDEST_KUBERAY: Final = (1, 6)
RAY_KINDS: Final = ("rayclusters.ray.io", "rayservices.ray.io")
RAY_VERSION: Final = "v1"
MONITORS: Final = ("podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
INSTALL_KUBERAY: Final = (
    "install KubeRay 1.6 or later, in the namespace kuberay-system: "
    "https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/"
    "kuberay-operator-installation.html"
)
SKEW_S: Final = 5.0
"""Between clocks. Leases are renewed every 10 s and seen late, so behind is told less exactly."""
LATE_S: Final = 60.0
KEEPERS: Final = (
    "calico-node", "cilium", "antrea-agent", "weave-net", "kube-router", "azure-npm", "canal",
    "ovnkube-node", "anetd", "aws-network-policy-agent", "terway", "everoute-agent",
)  # fmt: skip
"""Daemon sets of networks that keep NetworkPolicies."""
LETS_ALL: Final = ("kube-flannel", "kube-flannel-ds", "aws-node", "kindnet")
"""Of those that do not, or only where they are told to."""
GPU_TAINT: Final = ("nvidia.com/gpu", "", "")
GIB: Final = 1024**3


def of_cluster(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    yield _kubernetes(seen)
    yield _kinds(seen)
    yield from _operator(seen, wants)
    if wants.monitoring:
        yield _monitors(seen)
    yield from _nodes(seen)
    for group in wants.groups:
        yield _group(seen, group)
    yield from _clocks(seen)
    if wants.policies:
        yield _policies(seen)


def version_of(text: str) -> tuple[int, int] | None:
    """`v1.30.2`, `registry/operator:v1.6.0`"""
    found = re.search(r"(?:^|[:v])v?(\d+)\.(\d+)", text.rpartition("/")[2])
    return (int(found[1]), int(found[2])) if found else None


def _kubernetes(seen: Kubernetes) -> Finding:
    version = version_of(seen.version)
    if version is None or version < OLDEST:
        remedy = "Kubernetes 1.20 or later is needed"
        return Finding("kubernetes", Verdict.FAIL, seen.version, remedy)
    if version < RANGES_SINCE:
        remedy = "before 1.25 policies let the gateway reach every port of the pools"
        return Finding("kubernetes", Verdict.WARN, seen.version, remedy)
    return Finding("kubernetes", Verdict.OK, seen.version)


def _kinds(seen: Kubernetes) -> Finding:
    if why := seen.unseen.get("definitions"):
        return _unseen("CRDs", why)
    missing = [
        kind for kind in RAY_KINDS if RAY_VERSION not in seen.definitions.get(kind, frozenset())
    ]
    if missing:
        what = f"{', '.join(missing)}: not there, or not in {RAY_VERSION}"
        return Finding("CRDs", Verdict.FAIL, what, INSTALL_KUBERAY)
    return Finding("CRDs", Verdict.OK, f"{', '.join(RAY_KINDS)} in {RAY_VERSION}")


def _operator(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    if why := seen.unseen.get("operators"):
        yield _unseen("KubeRay", why)
    elif not seen.operators:
        yield Finding("KubeRay", Verdict.FAIL, "no operator runs", INSTALL_KUBERAY)
    for each in seen.operators:
        where = f"{each.image.rpartition('/')[2]} in {each.namespace}"
        version = version_of(each.image)
        if not each.ready:
            remedy = f"`kubectl --namespace {each.namespace} get pods`"
            yield Finding("KubeRay", Verdict.FAIL, f"{where} is not ready", remedy)
        elif version is None:
            remedy = "1.6 or later is needed; its tag does not tell"
            yield Finding("KubeRay", Verdict.WARN, where, remedy)
        elif version < OLDEST_KUBERAY:
            yield Finding("KubeRay", Verdict.FAIL, where, INSTALL_KUBERAY)
        else:
            yield Finding("KubeRay", Verdict.OK, where)
    namespaces = {each.namespace for each in seen.operators}
    if namespaces and wants.operator is not None and wants.operator not in namespaces:
        what = f"it runs in {', '.join(sorted(namespaces))}, and policies let {wants.operator} in"
        remedy = f"set network.operator: {min(namespaces)}"
        yield Finding("KubeRay", Verdict.FAIL, what, remedy)


def _monitors(seen: Kubernetes) -> Finding:
    if why := seen.unseen.get("definitions"):
        return _unseen("monitors", why)
    missing = [kind for kind in MONITORS if kind not in seen.definitions]
    if missing:
        remedy = "without prometheus-operator nobody scrapes; set monitoring.enabled: false"
        return Finding("monitors", Verdict.WARN, f"{', '.join(missing)}: not there", remedy)
    return Finding("monitors", Verdict.OK, ", ".join(MONITORS))


def _nodes(seen: Kubernetes) -> Iterator[Finding]:
    if why := seen.unseen.get("nodes"):
        yield _unseen("nodes", why)
        return
    for node in seen.nodes:
        if not node.ready:
            remedy = f"`kubectl describe node {node.name}`"
            yield Finding("nodes", Verdict.FAIL, "is not ready", remedy, node.name)
        for pressure in node.pressures:
            remedy = "make room: images and emptyDirs lie there, and pods are evicted"
            yield Finding("disk", Verdict.FAIL, pressure, remedy, node.name)
    ready = sum(node.ready for node in seen.nodes)
    if ready == len(seen.nodes) and ready:
        disk = min(node.disk for node in seen.nodes) / GIB
        what = f"{ready} of {ready} are ready; the least disk that pods may have: {disk:.0f} GiB"
        yield Finding("nodes", Verdict.OK, what)
    elif not seen.nodes:
        yield Finding("nodes", Verdict.FAIL, "there are none", "add nodes")


def _group(seen: Kubernetes, group: Group) -> Finding:
    """A node counts where it has what the group's pods ask for and would take them."""
    check = f"gpus.{group.name}"
    if why := seen.unseen.get("nodes"):
        return _unseen(check, why)
    chosen = [node for node in seen.nodes if _is_chosen(node, group)]
    good = [node for node in chosen if not list(_against(node, group))]
    what = f"{group.gpus} GPUs" if group.gpus else "no GPU"
    asked = f"{group.nodes} nodes with {what} each are asked for"
    if len(good) >= group.nodes:
        return Finding(check, Verdict.OK, f"{asked}, {len(good)} are there")
    named = " ".join(f"{key}={value}" for key, value in group.selector.items()) or "no selector"
    if not chosen:
        remedy = f"label the nodes, or mend gpus.{group.name}.nodeSelector"
        return Finding(check, Verdict.FAIL, f"{asked}, and no node has {named}", remedy)
    reasons = "; ".join(
        f"{node.name}: {', '.join(against)}"
        for node in chosen
        if (against := list(_against(node, group)))
    )
    found = f"{asked}, {len(good)} are there{f' ({reasons})' if reasons else ''}"
    return Finding(check, Verdict.FAIL, found, _remedy(chosen, group))


def _is_chosen(node: Node, group: Group) -> bool:
    return all(node.labels.get(key) == value for key, value in group.selector.items())


def _against(node: Node, group: Group) -> Iterator[str]:
    if node.gpus < group.gpus:
        yield f"{node.gpus} GPUs"
    if not node.ready:
        yield "not ready"
    if node.cordoned:
        yield "cordoned"
    for key, value, effect in node.taints:
        if not _is_tolerated((key, value, effect), (*group.tolerated, GPU_TAINT)):
            yield f"taint {key}={value}:{effect}"


def _is_tolerated(taint: Taint, tolerated: Iterable[Taint]) -> bool:
    if taint[2] == "PreferNoSchedule":
        return True
    return any(
        all(not wanted or wanted == found for wanted, found in zip(each, taint, strict=True))
        for each in tolerated
    )


def _remedy(chosen: Iterable[Node], group: Group) -> str:
    if group.gpus and any(node.gpus == 0 for node in chosen):
        return "does NVIDIA's device plugin run there? `kubectl get daemonsets --all-namespaces`"
    return f"add such nodes, or ask for fewer in gpus.{group.name} (nodes, perNode, tolerations)"


def _clocks(seen: Kubernetes) -> Iterator[Finding]:
    """A lease bears the time of the node that renews it; whoever looks has a clock, too."""
    if why := seen.unseen.get("leases"):
        yield _unseen("clock", why)
        return
    told = [(node.name, node.behind_s) for node in seen.nodes if node.behind_s is not None]
    remedy = "let it keep time (chrony, systemd-timesyncd): tokens and expiries are told by it"
    ahead = [(name, -behind) for name, behind in told if behind < -SKEW_S]
    late = [(name, behind) for name, behind in told if behind > LATE_S]
    for name, by in ahead:
        what = f"{by:.0f} s before this machine's"
        yield Finding("clock", Verdict.FAIL, what, remedy, name)
    for name, by in late:
        what = f"its lease is {by:.0f} s old: its clock is behind, or it is gone"
        yield Finding("clock", Verdict.WARN, what, remedy, name)
    if told and not ahead and not late:
        what = f"of {len(told)} nodes within {LATE_S:.0f} s of this machine's"
        yield Finding("clock", Verdict.OK, what)


def _policies(seen: Kubernetes) -> Finding:
    """The API server takes policies whether or not anybody keeps them."""
    if why := seen.unseen.get("daemons"):
        return _unseen("policies", why)
    if found := [name for name in KEEPERS if name in seen.daemons]:
        return Finding("policies", Verdict.OK, f"{', '.join(found)} keeps them")
    there = ", ".join(name for name in LETS_ALL if name in seen.daemons)
    what = f"{there} alone does not keep them" if there else "no network that is known"
    remedy = (
        "without a network that keeps NetworkPolicies (Calico, Cilium) every pod of the cluster "
        "reaches replicas and Ray; what guards them then are their tokens"
    )
    return Finding("policies", Verdict.WARN, what, remedy)


def _unseen(check: str, why: str) -> Finding:
    return Finding(check, Verdict.WARN, f"cannot be seen: {why}", "ask someone who may look")
