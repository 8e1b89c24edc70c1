"""A release's life on a real API server: installed, refused, upgraded, rolled back, taken off."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.chart.api import Refused as NotAllowed
from deploy.chart.secrets import SECRETS, fill, keys
from deploy.keys import read_keys
from tests.install.helm import CHART, PROFILES, Helm, Refused
from tests.install.server import ApiServer

POCKET = next(path for path in PROFILES if path.stem == "pocket")
KINDS = {
    "apps/v1": ("deployments", "statefulsets", "replicasets"),
    "batch/v1": ("jobs",),
    "networking.k8s.io/v1": ("networkpolicies", "ingresses"),
    "policy/v1beta1": ("poddisruptionbudgets",),
    "ray.io/v1": ("rayservices",),
    "rbac.authorization.k8s.io/v1": ("roles", "rolebindings"),
    "monitoring.coreos.com/v1": ("podmonitors", "prometheusrules"),
    "v1": (
        "services",
        "configmaps",
        "secrets",
        "serviceaccounts",
        "pods",
        "persistentvolumeclaims",
    ),
}
OF_THE_NAMESPACE = {"kube-root-ca.crt", "default"}

Objects = dict[str, set[str]]


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    server.ask("POST", "/api/v1/namespaces", body)
    yield name
    server.ask("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def there(helm: Helm, server: ApiServer, tmp_path: Path) -> Helm:
    return replace(helm, kubeconfig=server.kubeconfig, home=tmp_path)


def objects(server: ApiServer, namespace: str) -> Objects:
    """Names by kind, without what every namespace has and what controllers make of ours."""
    found: Objects = {}
    for api, kinds in KINDS.items():
        for kind in kinds:
            for item in _list(server, namespace, api, kind):
                name = item["metadata"]["name"]
                made = "ownerReferences" in item["metadata"] or "token-" in name
                if name not in OF_THE_NAMESPACE and not made and item.get("type") != HELMS:
                    found.setdefault(kind, set()).add(name)
    return found


HELMS = "helm.sh/release.v1"


def _list(server: ApiServer, namespace: str, api: str, kind: str) -> list[dict[str, Any]]:
    root = "/api/v1" if api == "v1" else f"/apis/{api}"
    items: list[dict[str, Any]] = server.ask("GET", f"{root}/namespaces/{namespace}/{kind}")[
        "items"
    ]
    return items


def get(server: ApiServer, namespace: str, path: str) -> Any:
    api, kind, name = path.rsplit("/", 2)
    root = "/api/v1" if api == "v1" else f"/apis/{api}"
    return server.ask("GET", f"{root}/namespaces/{namespace}/{kind}/{name}")


def test_neither_upgrade_nor_rollback_takes_the_state_from_a_head_that_still_has_it(
    there: Helm, server: ApiServer, namespace: str
) -> None:
    """The cluster of before drains, or still answers, when Helm is done."""
    here = ("--namespace", namespace)
    state = {"head": {"state": {"keep": True}}}
    other = state | {"images": {"cpu": {"tag": "0.1.1"}}}
    claim = "v1/persistentvolumeclaims/llm-bifocal-cpu-state"
    there("install", "llm", CHART, *there.values(POCKET, state), *here)
    before = get(server, namespace, claim)["metadata"]["uid"]
    mark = get(server, namespace, "ray.io/v1/rayservices/llm-bifocal-cpu")["metadata"]
    for act in (("upgrade", "llm", CHART, *there.values(POCKET, other)), ("rollback", "llm", "1")):
        there(*act, *here)
        found = get(server, namespace, claim)["metadata"]
        assert (found["uid"], "deletionTimestamp" in found) == (before, False)
    after = get(server, namespace, "ray.io/v1/rayservices/llm-bifocal-cpu")["metadata"]
    assert after["annotations"]["bifocal/cluster"] == mark["annotations"]["bifocal/cluster"]


def test_installed_upgraded_rolled_back_and_taken_off(
    there: Helm, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    here = ("--namespace", namespace)
    there("install", "llm", CHART, *there.values(POCKET, {"volume": {"size": "1Gi"}}), *here)
    installed = objects(server, namespace)
    assert installed["rayservices"] == {"llm-bifocal-cpu"}
    assert installed["deployments"] == {"llm-bifocal-gateway"}
    assert installed["podmonitors"] == {"llm-bifocal-gateway", "llm-bifocal-pools"}

    first = _filled_by_its_job(server, namespace, tmp_path)
    service = get(server, namespace, "ray.io/v1/rayservices/llm-bifocal-cpu")

    more = {"volume": {"size": "1Gi"}, "models": {"pocket-dense": {"replicas": 2}}}
    there("upgrade", "llm", CHART, *there.values(POCKET, more), *here)
    upgraded = get(server, namespace, "ray.io/v1/rayservices/llm-bifocal-cpu")
    assert upgraded["spec"]["rayClusterConfig"] == service["spec"]["rayClusterConfig"]
    assert upgraded["spec"]["serveConfigV2"] != service["spec"]["serveConfigV2"]
    assert _secrets(server, namespace) == first, "an upgrade changes no key"

    there("rollback", "llm", "1", *here)
    rolled = get(server, namespace, "ray.io/v1/rayservices/llm-bifocal-cpu")
    assert rolled["spec"] == service["spec"]
    assert objects(server, namespace) == installed
    assert _secrets(server, namespace) == first, "nor does a rollback"

    there("uninstall", "llm", *here)
    assert objects(server, namespace) == {"persistentvolumeclaims": {"llm-bifocal-weights"}}


def _filled_by_its_job(server: ApiServer, namespace: str, tmp_path: Path) -> dict[str, Any]:
    """The Job's own command, as its ServiceAccount: no kubelet runs it here."""
    (name,) = [each for each in objects(server, namespace)["jobs"] if "-secrets-" in each]
    job = get(server, namespace, f"batch/v1/jobs/{name}")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    account = tmp_path / "account"
    account.mkdir()
    token = server.token_of(namespace, pod["serviceAccountName"])
    (account / "token").write_text(token)
    (account / "namespace").write_text(namespace)
    (account / "ca.crt").write_bytes(server.authority.read_bytes())
    assert container["command"][:2] == ["python", "-m"]
    code = (
        "import pathlib, sys; from deploy.chart import secrets;"
        "secrets.ACCOUNT = pathlib.Path(sys.argv[1]); sys.exit(secrets.main(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(account), *container["command"][3:]]
    env = {
        **os.environ,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }
    for said in ("filled", "kept"):
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(said) == 2
    return _secrets(server, namespace)


def _secrets(server: ApiServer, namespace: str) -> dict[str, Any]:
    return {
        name: get(server, namespace, f"v1/secrets/llm-bifocal-{name}")["data"]
        for name in ("tokens", "keys")
    }


def test_made_keys_open_the_gateway(tmp_path: Path) -> None:
    made = keys(0.0)
    file = tmp_path / "keys.yaml"
    file.write_text(made["keys.yaml"])
    ring = read_keys(file)
    rights = {name: ring.record_of(made[name], 0.0).scopes for name in ("admin", "metrics")}
    assert rights == {"admin": {"operate"}, "metrics": {"metrics"}}
    assert made["admin"] not in made["keys.yaml"]


def test_wrong_values_install_nothing(there: Helm, server: ApiServer, namespace: str) -> None:
    wrong = {"models": {"pocket-dense": {"replicas": "two"}}}
    with pytest.raises(Refused, match="replicas"):
        there("install", "llm", CHART, *there.values(POCKET, wrong), "--namespace", namespace)
    assert objects(server, namespace) == {}


def test_the_job_may_touch_its_own_secrets_alone(
    there: Helm, server: ApiServer, namespace: str
) -> None:
    there("install", "llm", CHART, *there.values(POCKET), "--namespace", namespace)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "theirs"},
        "data": {"a": base64.b64encode(b"b").decode()},
    }
    server.ask("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    api = server.api_of(namespace, "llm-bifocal-secrets")
    assert fill(api, "llm-bifocal-keys", keys, 0.0)
    with pytest.raises(NotAllowed, match="403"):
        api.ask("GET", SECRETS, "theirs")
    with pytest.raises(NotAllowed, match="403"):
        api.ask("DELETE", SECRETS, "llm-bifocal-keys")
