"""The kubelet of these tests, with a pod that tells what it finds itself in."""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.nodes import why_not
from tests.install.helm import Helm, Manifest
from tests.install.server import ApiServer
from tests.install.started.cluster import Cluster, cluster

NO_NODES = why_not()
pytestmark = pytest.mark.skipif(NO_NODES is not None, reason=f"no nodes here: {NO_NODES}")

SCRIPT = '''
import http.server, json, os, pathlib, signal, sys

TMP = pathlib.Path("/tmp")

def left(*_):
    with (TMP / "log").open("a") as log:
        print("told", file=log)
    if "stay" not in sys.argv:
        os._exit(0)

signal.signal(signal.SIGTERM, left)
TMP.joinpath("ready").touch()

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        if self.path == "/unready":
            TMP.joinpath("ready").unlink()
        try:
            pathlib.Path("/here").touch()
            writable = True
        except OSError:
            writable = False
        status = dict(l.split(":", 1) for l in open("/proc/self/status") if ":" in l)
        body = json.dumps({
            "uid": os.getuid(), "pid": os.getpid(), "writable": writable,
            "address": os.environ["ADDRESS"],
            "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
            "secret": os.environ["SECRET"], "path": os.environ["PATH"], "python": sys.prefix,
            "privileges": status["NoNewPrivs"].strip(),
        }).encode()
        self.send_response(200); self.send_header("content-length", str(len(body)))
        self.end_headers(); self.wfile.write(body)

http.server.HTTPServer(("", 8000), Handler).serve_forever()
'''  # fmt: skip
PROBES: Manifest = {
    "startupProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1,
                     "timeoutSeconds": 5, "failureThreshold": 60},
    "readinessProbe": {
        "exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1,
        "timeoutSeconds": 5,
    },
    "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /tmp/log"]}}},
}  # fmt: skip
AT_ONCE_S = 90.0


@pytest.fixture(scope="module")
def here(helm: Helm, server: ApiServer) -> Iterator[Cluster]:
    with cluster(server, replace(helm, kubeconfig=server.kubeconfig), {}) as found:
        for body in (
            {"kind": "ConfigMap", "metadata": {"name": "script"}, "data": {"run.py": SCRIPT}},
            {"kind": "Service", "metadata": {"name": "web"}, "spec": service()},
        ):
            post(found, body)
        yield found


def service() -> Manifest:
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    return {"selector": {"app.kubernetes.io/component": "web"}, "ports": [port]}


def post(of: Cluster, body: Manifest) -> None:
    path = f"/api/v1/namespaces/{of.namespace}/{body['kind'].lower()}s"
    of.server.ask("POST", path, {"apiVersion": "v1"} | body)


def pod(name: str, *arguments: str, grace: int = 30) -> Manifest:
    container = {
        "name": "web", "image": "none", "command": ["python", "/script/run.py"],
        "args": list(arguments), "ports": [{"name": "http", "containerPort": 8000}],
        "securityContext": {"readOnlyRootFilesystem": True},
        "env": [
            {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "SECRET",
             "valueFrom": {"secretKeyRef": {"name": "late", "key": "word"}}},
        ],
        "volumeMounts": [
            {"name": "script", "mountPath": "/script", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }  # fmt: skip
    spec = {
        "terminationGracePeriodSeconds": grace,
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "containers": [container | PROBES],
        "volumes": [
            {"name": "script", "configMap": {"name": "script"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    labels = {"app.kubernetes.io/component": "web", "of": name}
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def url(of: Cluster) -> str:
    return f"http://{of.get('v1/services/web')['spec']['clusterIP']}"


def told(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def test_a_container_is_as_its_pod_says_and_waits_for_its_secret(here: Cluster) -> None:
    post(here, pod("one"))
    time.sleep(2)
    assert not here.ready("web")
    word = {"metadata": {"name": "late"}, "stringData": {"word": "hush"}}
    post(here, {"kind": "Secret"} | word)
    here.until(lambda: here.ready("web"), "the pod", AT_ONCE_S)
    (run,) = here.kubelet.of("web")
    here.until(lambda: answers(here), "its Service", AT_ONCE_S)
    found = told(url(here))
    assert found.pop("path").startswith("/opt/bifocal/bin:")
    assert found == {
        "uid": 1000, "pid": 1, "writable": False, "address": run.address, "capabilities": 0,
        "secret": "hush", "python": "/opt/bifocal", "privileges": "1",
    }  # fmt: skip


def answers(of: Cluster) -> bool:
    try:
        return bool(told(url(of)))
    except OSError:
        return False


def test_what_is_not_ready_is_not_reached(here: Cluster) -> None:
    (run,) = here.kubelet.of("web")
    told(f"{url(here)}/unready")
    here.until(lambda: not answers(here), "it is out", AT_ONCE_S)
    assert not run.ready
    assert told(f"http://{run.address}:8000")["pid"] == 1, "it runs all the same"
    (run.folder / "volumes" / "tmp" / "ready").touch()
    here.until(lambda: answers(here), "it is back", AT_ONCE_S)


def test_a_pod_is_asked_to_leave_after_its_hook(here: Cluster) -> None:
    (run,) = here.kubelet.of("web")
    log = run.folder / "volumes" / "tmp" / "log"
    here.server.ask("DELETE", f"/api/v1/namespaces/{here.namespace}/pods/one")
    here.until(lambda: run.over, "it left", AT_ONCE_S)
    assert log.read_text() == "hook\ntold\n"
    (container,) = run.containers
    assert (container.exit_code, container.killed) == (0, False)


def test_what_does_not_leave_is_killed_when_its_grace_is_over(here: Cluster) -> None:
    post(here, pod("two", "stay", grace=3))
    here.until(lambda: here.ready("web"), "the pod", AT_ONCE_S)
    (run,) = here.kubelet.of("web")
    began = time.monotonic()
    here.server.ask("DELETE", f"/api/v1/namespaces/{here.namespace}/pods/two")
    here.until(lambda: run.over, "it left", AT_ONCE_S)
    assert time.monotonic() - began >= 3
    assert run.containers[0].killed


def test_a_pod_that_ends_is_over(here: Cluster) -> None:
    ends = pod("three")
    ends["spec"]["restartPolicy"] = "Never"
    ends["spec"]["containers"][0] |= {"command": ["sh", "-c", "exit 3"], "args": []}
    post(here, ends)

    def phase() -> str:
        found: str = here.get("v1/pods/three")["status"].get("phase", "")
        return found

    here.until(lambda: phase() == "Failed", "it failed", AT_ONCE_S)
