"""The command's hands on a cluster, by the real kubectl on a real API server.

No kubelet runs here, so no port can be forwarded: `forwarding` puts a stand-in for that one verb of
kubectl on the PATH, which leads to a gateway that is started as its Deployment has it; every other
verb goes to kubectl itself.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.cli.revoke import ENTRY
from deploy.doctor.kube_look import INSTANCE, PART, PARTS
from deploy.keys import line_of
from deploy.orders import OrdersFile
from serving.gateway import StandingOrders
from serving.keys import new_key
from tests.install.conftest import needed
from tests.install.helm import CHART, PROFILES, Helm
from tests.install.server import ApiServer
from tests.install.stored import NAME, Stored, get, status
from tests.install.stored import gateway as started

POCKET = next(path for path in PROFILES if path.stem == "pocket")
NAMESPACE = "operated"
OTHER = new_key("other", None, 0.0)


@dataclass(frozen=True)
class Command:
    """`bifocal`, with kubectl on its PATH and a kubeconfig whose context is `test`."""

    env: dict[str, str]

    def __call__(self, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli", *words],
            env=self.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    def forwarding(self, folder: Path, port: int) -> "Command":
        """Where kubectl forwards nothing but to this port."""
        folder.mkdir()
        (folder / "kubectl").write_text(FORWARD.format(python=sys.executable, port=port))
        (folder / "kubectl").chmod(0o755)
        env = self.env | {"PATH": f"{folder}:{self.env['PATH']}"}
        return Command(env | {"REAL_KUBECTL": str(shutil.which("kubectl", path=self.env["PATH"]))})


FORWARD = """#!{python}
import os, sys, time
if "port-forward" in sys.argv:
    print("Forwarding from 127.0.0.1:{port} -> 8000", flush=True)
    time.sleep(600)
os.execv(os.environ["REAL_KUBECTL"], ["kubectl", *sys.argv[1:]])
"""


@pytest.fixture
def bifocal(server: ApiServer, tmp_path: Path) -> Command:
    kubectl = needed("kubectl") / "kubectl"
    ours = {name: text for name, text in os.environ.items() if not name.startswith("BIFOCAL_")}
    path = f"{kubectl.parent}:/usr/bin:/bin"
    kept = {"BIFOCAL_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}
    return Command(ours | kept | {"KUBECONFIG": str(server.kubeconfig), "PATH": path})


@pytest.fixture
def gateway(helm: Helm, server: ApiServer, tmp_path: Path) -> Iterator[Stored]:
    """A release whose gateway runs."""
    (folder := tmp_path / "pod").mkdir()
    with started(helm, server, NAMESPACE, helm.values(POCKET), folder) as stored:
        yield stored


@pytest.fixture
def there(bifocal: Command, gateway: Stored, tmp_path: Path) -> Command:
    return bifocal.forwarding(tmp_path / "bin", int(gateway.url.rpartition(":")[2]))


HERE = ("--context", "test", "--namespace", NAMESPACE)


def orders(server: ApiServer) -> dict[str, str]:
    found: dict[str, str] = get(server, NAMESPACE, f"api/v1/configmaps/{NAME}-orders").get(
        "data", {}
    )
    return found


def test_orders_go_through_the_context_and_are_kept_in_the_cluster(
    there: Command, gateway: Stored, helm: Helm, tmp_path: Path
) -> None:
    said = there("mode", "force", "deep", *HERE).stdout
    assert "and those that start later" in said
    there("pool", "drain", "pocket-dense", "--wait", *HERE)
    shown = json.loads(there("status", *HERE, "--json", code=1).stdout)
    assert (shown["release"], shown["orders"]["mode"]["value"]) == ("llm", "deep")
    kept = orders(gateway.server)
    assert {each["subject"] for each in json.loads(kept["orders.json"])} == {
        "mode",
        "pool/pocket-dense",
    }

    # Gateways that start find it where the kubelet mounts it, as the command that is stored says.
    file = tmp_path / "orders" / "orders.json"
    file.parent.mkdir()
    file.write_text(kept["orders.json"])
    standing = StandingOrders(OrdersFile(file))
    standing.look(time.time())
    assert (standing.held.forced, standing.held.drained) == ("deep", {"pocket-dense"})
    command = gateway.container["command"]
    mounts = {each["name"]: each["mountPath"] for each in gateway.container["volumeMounts"]}
    assert command[command.index("--orders") + 1] == f"{mounts['orders']}/orders.json"

    upgrade = replace(helm, kubeconfig=gateway.server.kubeconfig)
    values = upgrade.values(POCKET, {"gateway": {"replicas": 3}})
    upgrade("upgrade", "llm", CHART, *values, "--namespace", NAMESPACE)
    assert orders(gateway.server) == kept, "an upgrade leaves orders alone"


def test_a_key_is_revoked_at_the_gateways_and_in_the_secret(
    bifocal: Command, helm: Helm, server: ApiServer, tmp_path: Path
) -> None:
    (folder := tmp_path / "pod").mkdir()
    with started(helm, server, NAMESPACE, helm.values(POCKET), folder) as gateway:
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}-keys"
        secret = server.ask("GET", path)
        lines = base64.b64decode(secret["data"][ENTRY]).decode() + f"{line_of(OTHER.record)}\n"
        secret["data"][ENTRY] = base64.b64encode(lines.encode()).decode()
        server.ask("PUT", path, secret)
        (folder / "config-keys" / "keys.yaml").write_text(lines)  # as the kubelet does
        models = f"{gateway.url}/v1/models"
        until(lambda: status(models, OTHER.secret) == 200)
        there = bifocal.forwarding(tmp_path / "bin", int(gateway.url.rpartition(":")[2]))
        began = time.monotonic()
        there("key", "revoke", OTHER.record.id, *HERE)
        assert status(models, OTHER.secret) == 401
        took = time.monotonic() - began
        print(f"refused {took:.1f} s after the command was given, with its start and kubectl's")
        kept = _of(server, path, ENTRY).decode()
        assert OTHER.record.sha256 not in kept
        assert kept.count("team:") == 2, "the others stay"

        nobody = bifocal("key", "revoke", hashlib.sha256(_of(server, path, "metrics")).hexdigest(),
                         *HERE, code=4)  # fmt: skip
        assert f"its line is gone from the Secret {NAME}-keys" in nobody.stdout
        assert "no gateway was told: those that run refuse the key once" in nobody.stderr
        assert _of(server, path, ENTRY).count(b"team:") == 1
        refused = there("key", "revoke", "00000000", *HERE, code=2).stderr
        assert "no gateway was told: nothing is taken back" in refused


def _of(server: ApiServer, path: str, entry: str) -> bytes:
    return base64.b64decode(server.ask("GET", path)["data"][entry])


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_is_in_the_way_is_told(bifocal: Command, gateway: Stored, tmp_path: Path) -> None:
    told = bifocal("chat", "hello", *HERE, code=4).stderr
    assert "kubectl port-forward service/llm-bifocal:" in told
    nowhere = ("--context", "test", "--namespace", "default")
    assert "no release of the chart in default" in bifocal("chat", "hi", *nowhere, code=4).stderr
    other = bifocal("status", "--context", "elsewhere", code=2).stderr
    assert other == "bifocal: --context: there is no elsewhere in the kubeconfig\nthere are: test\n"
    without = Command(bifocal.env | {"PATH": str(tmp_path)})
    assert "there is no `kubectl` on the PATH" in without("status", *HERE, code=2).stderr
    both = ("--url", "http://127.0.0.1:1")
    assert "give one of them" in bifocal("mode", "force", "off", *HERE, *both, code=2).stderr
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}-keys"
    gateway.server.ask("PUT", path, gateway.server.ask("GET", path) | {"data": {}})
    told = bifocal("mode", "force", "off", *HERE, code=4).stderr
    assert f"the Secret {NAME}-keys is still empty: its Job has not run to its end" in told


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
OPERATORS = "/apis/apps/v1/namespaces/kuberay-system/deployments"


@pytest.fixture
def nodes(server: ApiServer) -> Iterator[None]:
    """Two of the three that are asked for, and KubeRay's operator of a version before ours."""
    for name in ("kube-node-lease", "kuberay-system"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if name not in {n["metadata"]["name"] for n in server.ask("GET", NAMESPACES)["items"]}:
            server.ask("POST", NAMESPACES, body)
    for name, gpus, ahead_s in (("n1", "1", 0.0), ("n2", "0", 120.0)):
        _node(server, name, gpus)
        _lease(server, name, ahead_s)
    server.ask("POST", OPERATORS, OPERATOR)
    yield
    for name in ("n1", "n2"):
        server.ask("DELETE", f"/api/v1/nodes/{name}")
        server.ask("DELETE", f"{LEASES}/{name}")
    server.ask("DELETE", f"{OPERATORS}/kuberay-operator")


NAMESPACES = "/api/v1/namespaces"
_LABELS = {"app.kubernetes.io/name": "kuberay-operator"}
OPERATOR = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "kuberay-operator", "labels": _LABELS},
    "spec": {
        "selector": {"matchLabels": _LABELS},
        "template": {
            "metadata": {"labels": _LABELS},
            "spec": {"containers": [{"name": "a", "image": "quay.io/kuberay/operator:v1.5.1"}]},
        },
    },
}


def _node(server: ApiServer, name: str, gpus: str) -> None:
    labels = {"gpu": "l40s"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    server.ask("POST", "/api/v1/nodes", node)
    found = server.ask("GET", f"/api/v1/nodes/{name}")
    room = {"nvidia.com/gpu": gpus, "ephemeral-storage": "100Gi", "cpu": "8", "memory": "32Gi"}
    ready = [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]
    found["status"] = {"allocatable": room, "capacity": room, "conditions": ready}
    server.ask("PUT", f"/api/v1/nodes/{name}/status", found)


def _lease(server: ApiServer, name: str, ahead_s: float) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=ahead_s)
    spec = {"holderIdentity": name, "renewTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}
    server.ask("POST", LEASES, {**lease, "spec": spec})


VALUES = """
gpus: {l40s: {kind: l40s-48g, perNode: 1, nodes: 3, nodeSelector: {gpu: l40s}}}
models: {qwen3-8b: {"on": l40s}}
volume: {size: 100Gi, storageClass: fast}
images: {pullSecrets: [registry]}
"""


def test_the_doctor_sees_what_a_cluster_lacks_before_anything_is_installed(
    bifocal: Command, nodes: None, tmp_path: Path
) -> None:
    (values := tmp_path / "values.yaml").write_text(VALUES)
    here = ("--context", "test", "--namespace", "default", "--config", str(values))
    told = json.loads(bifocal("doctor", *here, "--json", code=1).stdout)
    found: dict[str, Any] = {}
    for each in told["findings"]:
        found.setdefault(each["check"], []).append((each["verdict"], each["seen"], each["node"]))
        assert each["verdict"] == "ok" or each["remedy"]
    assert found["kubernetes"][0][:2] == ("warn", "v1.20.2")
    assert found["CRDs"][0][0] == "ok", "the test's own"
    assert found["KubeRay"] == [("fail", "operator:v1.5.1 in kuberay-system is not ready", None)]
    asked = "3 nodes with 1 GPUs each are asked for, 1 are there (n2: 0 GPUs)"
    assert found["gpus.l40s"] == [("fail", asked, None)]
    assert found["clock"][0][::2] == ("fail", "n2")
    assert found["storage"][0][:2] == ("fail", "there is no storage class fast; there are: none")
    assert found["pull secrets"] == [("fail", "registry is not there", None)]
    assert found["policies"][0][0] == "warn", "nobody keeps them here"


def test_the_doctor_examines_a_release_by_what_it_was_installed_with(
    there: Command, nodes: None
) -> None:
    lines = there("doctor", *HERE, code=1).stdout.splitlines()
    assert any(line.startswith("ok    gpus.cpu") for line in lines), lines
    assert any(line.startswith("ok    gateway") for line in lines), lines
    assert any(line.startswith("fail  pools          pocket-dense") for line in lines), lines


def test_a_pod_of_the_release_that_waits_is_told(there: Command, gateway: Stored) -> None:
    server = gateway.server
    name = _waiting(server)
    lines = there("doctor", *HERE, code=1).stdout.splitlines()
    waits = f"fail  pods           {name}: Unschedulable: 0/2 nodes: Insufficient cpu"
    assert waits in lines, lines


def _waiting(server: ApiServer) -> str:
    """A pod that the Deployment's own controller made, as a scheduler without room leaves it."""
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    find = f"{pods}?labelSelector=app.kubernetes.io/component%3Dgateway"
    until(lambda: bool(server.ask("GET", find)["items"]))
    pod = server.ask("GET", find)["items"][0]
    why = {"reason": "Unschedulable", "message": "0/2 nodes: Insufficient cpu"}
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", **why}]
    server.ask("PUT", f"{pods}/{pod['metadata']['name']}/status", pod)
    return str(pod["metadata"]["name"])


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_the_doctor_looks_at_every_pod_that_the_chart_makes(helm: Helm, profile: Path) -> None:
    made = [found for each in helm.template(profile, name="llm") for found in _templates(each)]
    assert made
    for labels in made:
        assert labels[INSTANCE] == "llm"
        assert labels[PART] in PARTS


def _templates(value: Any) -> Iterator[dict[str, str]]:
    """Labels of pods, wherever in an object their templates stand."""
    if isinstance(value, dict):
        if "spec" in (template := value.get("template") or {}):
            yield template["metadata"]["labels"]
        for inner in value.values():
            yield from _templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _templates(inner)


def test_who_may_see_little_is_told_what_was_not_seen(
    bifocal: Command, gateway: Stored, tmp_path: Path
) -> None:
    server = gateway.server
    server.write_kubeconfig(tmp_path / "config", server.token_of(NAMESPACE, f"{NAME}-jobs"))
    poor = Command(bifocal.env | {"KUBECONFIG": str(tmp_path / "config")})
    (values := tmp_path / "values.yaml").write_text(VALUES)
    done = poor("doctor", *HERE, "--config", str(values), code=4)
    assert "forbidden" in done.stderr


def test_a_bundle_has_the_release_and_none_of_its_secrets(
    there: Command, gateway: Stored, tmp_path: Path
) -> None:
    server = gateway.server
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "told", "namespace": NAMESPACE},
        "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": "a"},
        "message": "FailedScheduling: 0/2 nodes; password=canary-event-7319",
    }
    server.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/events", event)
    archive = tmp_path / "bundle.tar.gz"
    said = there("bundle", "--out", str(archive), *HERE).stdout
    with tarfile.open(archive) as packed:
        files = {
            member.name.partition("/")[2]: packed.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in packed.getmembers()
        }
    assert all(name in said for name in files if name != "contents.txt")
    for name in ("deployments", "rayservices", "events", "secrets", "networkpolicies", "version"):
        assert f"kubernetes/{name}.json" in files, sorted(files)
    assert {"doctor.json", "service/metrics.txt", "service/orders.json"} <= files.keys()
    assert "FailedScheduling" in files["kubernetes/events.json"]
    together = "\n".join(files.values())
    assert "canary" not in together
    for secret in (*gateway.keys.values(), *gateway.secret(f"{NAME}-tokens").values()):
        assert secret not in together
        assert base64.b64encode(secret.encode()).decode() not in together
