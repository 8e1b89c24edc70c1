"""Ways in from outside of the cluster that an upgrade closes: hosts, and Services. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploy.diff.change import Change, Kind
from deploy.diff.rendered import Rendered

OUTSIDE: Final = ("NodePort", "LoadBalancer")
"""Types of Services that are reached from there."""


def closed(before: Rendered, after: Rendered) -> Iterator[Change]:
    for host in sorted(_hosts(before) - _hosts(after)):
        says = "who comes by it from outside finds nobody any more"
        yield Change(f"host {host}", Kind.REMOVED, says, left=True)
    for name, was in _types(before).items():
        is_now = _types(after).get(name, "ClusterIP")
        # A balancer's address goes with it; the ports of nodes stay under a balancer.
        if was in OUTSIDE and is_now not in (was, "LoadBalancer"):
            says = f"from {was} to {is_now}: who comes by it from outside finds nobody any more"
            yield Change(f"way in by {name}", Kind.REMOVED, says, ("expose.service",), left=True)
    if shut := _callers(before) - _callers(after):
        says = f"from {', '.join(sorted(shut))}: nobody there reaches the gateway any more"
        yield Change("way in", Kind.REMOVED, says, ("network.clients",), left=True)


def _hosts(side: Rendered) -> frozenset[str]:
    rules = [rule for each in _specs(side, "Ingress") for rule in each.get("rules") or ()]
    named = [host for each in _specs(side, "HTTPRoute") for host in each.get("hostnames") or ()]
    return frozenset([*named, *(rule["host"] for rule in rules if "host" in rule)])


def _types(side: Rendered) -> dict[str, str]:
    found = side.of_kind("Service").items()
    return {name: (each.get("spec") or {}).get("type", "ClusterIP") for name, each in found}


def _callers(side: Rendered) -> frozenset[str]:
    """Namespaces that may call the gateway where a policy names them, and `anywhere` where none
    does."""
    found: set[str] = set()
    for name, each in side.of_kind("NetworkPolicy").items():
        if name.endswith("-gateway"):
            for rule in each["spec"].get("ingress") or ():
                peers = rule.get("from")
                found |= {"anywhere"} if peers is None else {_namespace(peer) for peer in peers}
    return frozenset(found or {"anywhere"})


def _namespace(peer: Mapping[str, Any]) -> str:
    labels = (peer.get("namespaceSelector") or {}).get("matchLabels") or {}
    name: str = labels.get("kubernetes.io/metadata.name", "this namespace")
    return name


def _specs(side: Rendered, kind: str) -> list[Mapping[str, Any]]:
    return [each["spec"] for each in side.of_kind(kind).values()]
