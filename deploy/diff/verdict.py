"""What an upgrade does to a release as a whole: every part of it, said once. Pure."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from deploy.diff import doors, groups
from deploy.diff.change import Change, Kind
from deploy.diff.kuberay import differences
from deploy.diff.rendered import Key, Object, Rendered
from deploy.diff.upgrade import Upgrade
from deploy.local.changes import differing

PART: Final = "app.kubernetes.io/component"
CHART: Final = "helm.sh/chart"
KEEP: Final = "helm.sh/resource-policy"
SCALED: Final = "as many as scaled to"
SCALER_S: Final = 15
"""Between two looks of Kubernetes' autoscaler: `--horizontal-pod-autoscaler-sync-period`."""
TOLD: Final = frozenset({"renew", "secrets"})
"""Parts whose Jobs do nothing by themselves that is not told of a group or of a Secret."""


def changes(before: Rendered, after: Rendered) -> tuple[Change, ...]:
    # Who is away is known first: a stand-in that is away, too, stands in for nobody.
    first = groups.changed(Upgrade(before, after))
    away = frozenset(name for change in first for name in change.away)
    return (
        *groups.changed(Upgrade(before, after, away)),
        *_gateway(before, after),
        *doors.closed(before, after),
        *_others(before, after),
    )


def is_refused(found: tuple[Change, ...]) -> bool:
    return any(change.kind is Kind.REFUSED for change in found)


def is_away(found: tuple[Change, ...]) -> bool:
    """Whether somebody is left without an answer, for a while or for good."""
    return any(change.left for change in found)


def _gateway(before: Rendered, after: Rendered) -> Iterator[Change]:
    old, new = (_spec_of_gateway(side) for side in (before, after))
    because = tuple(differences(old.get("template"), new.get("template"), "template"))
    if because:
        keys = differing(before.file, after.file) if before.file and after.file else ()
        says = (
            "one pod after the other, the next before the last; answers under way finish, and no "
            "connection is refused"
        )
        told = tuple(".".join(place) for place in keys)
        code = tuple(each for each in because if "checksum/config" not in each)
        yield Change("gateway", Kind.ROLLED, says, (*code, *told))
    if old.get("replicas") != new.get("replicas"):
        yield Change("gateway", Kind.NUMBERS, _pods(old, new, after), ("replicas",))
    if _keys_of(old) != _keys_of(new):
        says = f"from Secret {_keys_of(new)}, and no longer from {_keys_of(old)}"
        yield Change("keys", Kind.READ_AGAIN, says, ("secrets.keys",))


def _pods(old: Mapping[str, Any], new: Mapping[str, Any], after: Rendered) -> str:
    was, will_be = (spec.get("replicas", SCALED) for spec in (old, new))
    if "replicas" in new:
        return f"from {was} to {will_be} pods"
    # A Deployment that no longer says `replicas` is one of one pod until somebody scales it.
    bounds = [
        f", then {each['spec']['minReplicas']} to {each['spec']['maxReplicas']}"
        for each in after.of_kind("HorizontalPodAutoscaler").values()
    ]
    return (
        f"from {was} pods to 1 for some {SCALER_S} s, until the autoscaler looks{''.join(bounds)}; "
        "those that leave finish their answers"
    )


def _spec_of_gateway(side: Rendered) -> Mapping[str, Any]:
    for each in side.of_kind("Deployment").values():
        if _part(each) == "gateway":
            return dict(each["spec"])
    return {}


def _keys_of(spec: Mapping[str, Any]) -> str | None:
    volumes = ((spec.get("template") or {}).get("spec") or {}).get("volumes") or ()
    return next((each["secret"]["secretName"] for each in volumes if "secret" in each), None)


def _others(before: Rendered, after: Rendered) -> Iterator[Change]:
    for key in dict.fromkeys([*before.objects, *after.objects]):
        old, new = before.objects.get(key), after.objects.get(key)
        if _is_told(key, old or new or {}):
            continue
        if _part(old or new or {}) == "weights" and key[0] == "Job":
            yield from _pulled(old, new)
        elif old is None:
            yield Change(_name(key), Kind.MADE, "")
        elif new is None:
            kept = KEEP in (old["metadata"].get("annotations") or {})
            yield Change(_name(key), Kind.REMOVED, "it stays in the cluster" if kept else "")
        elif because := tuple(differences(_bare(old), _bare(new))):
            yield Change(_name(key), Kind.IN_PLACE, "", because)


def _is_told(key: Key, each: Object) -> bool:
    kind, part = key[0], _part(each)
    if kind in ("RayService", "Deployment") or (kind == "ConfigMap" and part == "gateway"):
        return True
    return (kind == "Job" and part in TOLD) or (kind == "PersistentVolumeClaim" and part == "pools")


def _pulled(old: Object | None, new: Object | None) -> Iterator[Change]:
    if old is None and new is not None:
        command = new["spec"]["template"]["spec"]["containers"][0]["command"]
        says = "what is on the volume already is looked through, and the rest is pulled"
        yield Change(f"weights {command[3]}", Kind.PULLED, says)


def _part(each: Object) -> str:
    return str((each.get("metadata", {}).get("labels") or {}).get(PART, ""))


def _name(key: Key) -> str:
    return " ".join(key)


def _bare(each: Object) -> Object:
    """Without the chart's version, which changes nothing by itself."""
    found = deepcopy(each)
    (found["metadata"].get("labels") or {}).pop(CHART, None)
    return found
