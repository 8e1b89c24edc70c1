"""What an API server keeps of a release: installed, upgraded, rolled back, taken off."""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from tests.install.helm import CHART, PROFILES, Helm, Manifest
from tests.install.server import ApiServer

NAMESPACE: Final = "a-release"
RELEASE: Final = "llm"
POCKET: Final = next(path for path in PROFILES if path.stem == "pocket")
VALUES: Final[Manifest] = {"volume": {"size": "1Gi"}}
MORE: Final[Manifest] = {**VALUES, "models": {"pocket-dense": {"replicas": 2}}}
KINDS: Final = {
    "apps/v1": ("deployments",),
    "batch/v1": ("jobs",),
    "networking.k8s.io/v1": ("networkpolicies",),
    "policy/v1beta1": ("poddisruptionbudgets",),
    "ray.io/v1": ("rayservices",),
    "rbac.authorization.k8s.io/v1": ("roles", "rolebindings"),
    "monitoring.coreos.com/v1": ("podmonitors",),
    "v1": ("services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"),
}
Objects = dict[tuple[str, str], Any]


class Row(NamedTuple):
    kind: str
    installed: int
    changed: int
    rolled_back: str
    left: int


def life(helm: Helm, server: ApiServer) -> list[Row]:
    """A row a kind."""
    there = replace(helm, kubeconfig=server.kubeconfig)
    here = ("--namespace", NAMESPACE)
    there("install", RELEASE, CHART, *there.values(POCKET, VALUES), *here, "--create-namespace")
    first = objects(server)
    there("upgrade", RELEASE, CHART, *there.values(POCKET, MORE), *here)
    second = objects(server)
    there("rollback", RELEASE, "1", *here)
    third = objects(server)
    there("uninstall", RELEASE, *here)
    last = objects(server)
    server.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
    rows = []
    for kind in sorted({kind for kind, _ in first | second}):
        of = {key for key in first if key[0] == kind}
        changed = {key for key in of if first[key] != second.get(key)}
        same = all(first[key] == third.get(key) for key in of)
        left = sum(key[0] == kind for key in last)
        rows.append(Row(kind, len(of), len(changed), "as installed" if same else "other", left))
    return rows


def objects(server: ApiServer) -> Objects:
    """Of the release: kind and name, and what is wanted of each."""
    found: Objects = {}
    for api, kinds in KINDS.items():
        root = "/api/v1" if api == "v1" else f"/apis/{api}"
        for kind in kinds:
            for item in server.ask("GET", f"{root}/namespaces/{NAMESPACE}/{kind}")["items"]:
                labels = item["metadata"].get("labels", {})
                if labels.get("app.kubernetes.io/instance") == RELEASE:
                    wanted = {key: item.get(key) for key in ("spec", "data", "rules", "subjects")}
                    found[kind, item["metadata"]["name"]] = wanted
    return found
