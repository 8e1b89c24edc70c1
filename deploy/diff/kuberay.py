"""KubeRay's rule: which changes of a RayService's `rayClusterConfig` build another Ray cluster.

Pure. KubeRay hashes the JSON of the RayClusterSpec without a few fields, and compares hashes
(ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/utils/util.go`,
`GenerateHashWithoutReplicasAndWorkersToDelete`; the same in v1.6.2). `suspend` is taken out before
(`rayservice_controller.go`, `rayClusterSpecForHashing`), and groups of workers that come after
those of the running cluster are added to it in place (`isClusterSpecHashEqual`, `partial`).

What is not hashed is not applied either: while the hashes are equal the running cluster is left as
it is (`shouldUpdateCluster`), unless KubeRay itself is another version. So `MUTED` says how each of
these fields comes to be.

The chart's own keeping to this rule is `deploy.chart.renew`'s. A quantity that is written otherwise
(`1000m` for `1`) counts here as another; KubeRay sees through that.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

Path = tuple[str, ...]
Spec = Mapping[str, Any]

EACH: Final = "[]"
"""In a path: every group of workers."""
HEAD: Final[Path] = ("headGroupSpec",)
WORKERS: Final[Path] = ("workerGroupSpecs", EACH)
POD: Final[Path] = ("template", "spec")


class How(StrEnum):
    """In which way a field that is not hashed takes effect."""

    NUMBER = "number"
    """Of pods; `deploy.chart.renew` tells the running cluster."""
    LATER = "later"
    """With the next cluster, whatever builds it."""


_NUMBERS: Final = ("replicas", "minReplicas", "maxReplicas")
_PLACING: Final = ("tolerations", "schedulingGates")
MUTED: Final[Mapping[Path, How]] = {
    ("upgradeStrategy",): How.LATER,
    ("suspend",): How.LATER,
    **{(*at, *POD, key): How.LATER for at in (HEAD, WORKERS) for key in _PLACING},
    **{(*WORKERS, key): How.NUMBER for key in _NUMBERS},
    (*WORKERS, "scaleStrategy", "workersToDelete"): How.NUMBER,
}

_POD: Final = """
    activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy
    enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers
    hostname hostnameOverride imagePullSecrets initContainers nodeName nodeSelector os overhead
    preemptionPolicy priority priorityClassName readinessGates resourceClaims resources
    restartPolicy runtimeClassName schedulerName schedulingGroup securityContext serviceAccount
    serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain
    terminationGracePeriodSeconds topologySpreadConstraints volumes
    """
_METADATA: Final = "annotations finalizers labels name namespace"
SEEN: Final[Mapping[Path, frozenset[str]]] = {
    path: frozenset(names.split())
    for path, names in {
        (): """authOptions autoscalerOptions enableInTreeAutoscaling gcsFaultToleranceOptions
            headServiceAnnotations historyServerOptions managedBy networkPolicy rayVersion
            tlsOptions""",
        HEAD: """enableIngress headService ingressOptions labels rayStartParams resources
            serviceType""",
        WORKERS: """groupName idleTimeoutSeconds labels numOfHosts priority rayStartParams resources
            suspend""",
        **{(*at, *POD): _POD for at in (HEAD, WORKERS)},
        **{(*at, "template", "metadata"): _METADATA for at in (HEAD, WORKERS)},
    }.items()
}
"""What is hashed, by the level that it stands on, with all that is inside it. A test walks the
custom resource's own list of fields, so that one which KubeRay adds must be put somewhere."""

_DEFAULTS: Final[Mapping[Path, Any]] = {
    (*WORKERS, "numOfHosts"): 1,
    (*WORKERS, "priority"): 0,
}
"""The custom resource's own: whoever writes them out changes nothing."""
_MAPS: Final = frozenset(
    {
        "annotations", "headServiceAnnotations", "labels", "limits", "metadata", "nodeSelector",
        "requests", "resources", "scaleStrategy",
    }
)  # fmt: skip
"""Of which an empty one is none, as Go writes it; an empty `emptyDir` is one."""


class Cluster(StrEnum):
    """What KubeRay makes of a change."""

    SAME = "same"
    APPENDED = "appended"
    """Groups of workers are added to the running cluster."""
    ANOTHER = "another"


def becomes(old: Spec, new: Spec) -> Cluster:
    """Of two `rayClusterConfig`."""
    before, after = hashed(old), hashed(new)
    if before == after:
        return Cluster.SAME
    there = len(before.get("workerGroupSpecs", []))
    first = {**after, "workerGroupSpecs": after.get("workerGroupSpecs", [])[:there]}
    if {"workerGroupSpecs": [], **before} == first:
        return Cluster.APPENDED
    return Cluster.ANOTHER


def hashed(spec: Spec) -> dict[str, Any]:
    """What the hash is taken of."""
    found = _without(spec, ())
    return found if isinstance(found, dict) else {}


def reasons(old: Spec, new: Spec) -> tuple[str, ...]:
    """Where two differ in what is hashed: `headGroupSpec.template.spec.hostname`."""
    return tuple(dict.fromkeys(differences(hashed(old), hashed(new))))


def muted(old: Spec, new: Spec) -> dict[str, How]:
    """Where two differ in what is not hashed."""
    found = {}
    for path, how in MUTED.items():
        before, after = (list(_at(spec, path)) for spec in (old, new))
        if before != after:
            found[".".join(path).replace(f".{EACH}", EACH)] = how
    return found


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(old.get(key), new.get(key), f"{at}.{key}" if at else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{at}[{_name(before, after, index)}]")
    elif old != new:
        yield at


def _name(before: Any, after: Any, index: int) -> str:
    """Of an item, where both sides agree on one."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in ("name", "groupName"):
            if key in before and before[key] == after.get(key):
                return str(before[key])
    return str(index)


def _without(value: Any, at: Path) -> Any:
    """None for what is left out."""
    if isinstance(value, list):
        inner = (*at, EACH) if at == WORKERS[:1] else (*at, "items")
        return [_without(each, inner) for each in value] or None
    if not isinstance(value, Mapping):
        return value
    found = {}
    for key, inner in value.items():
        path = (*at, key)
        kept = None if path in MUTED else _without(inner, path)
        if kept is not None and kept != _DEFAULTS.get(path, None):
            found[key] = kept
    return found if found or (at and at[-1] not in _MAPS) else None


def _at(spec: Any, path: Path) -> Iterator[Any]:
    """Its values there, one for each group of workers; nothing and empty are the same."""
    if not path:
        yield spec or None
    elif path[0] == EACH:
        for each in spec or ():
            yield from _at(each, path[1:])
    else:
        yield from _at(spec.get(path[0]) if isinstance(spec, Mapping) else None, path[1:])
