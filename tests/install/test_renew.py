"""`recreate` on a real API server: a release's own Job, as its ServiceAccount. What KubeRay would
do is done here by hand, as its v1.7.0 does it; what the Job does is the Job's.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.install.helm import CHART, PROFILES, Helm
from tests.install.server import Answer, ApiServer

POCKET = next(path for path in PROFILES if path.stem == "pocket")
SERVICE = "llm-bifocal-cpu"
MARK = "bifocal/cluster"
ANOTHER = {"gpus": {"cpu": {"resources": {"cpu": "3", "memory": "9Gi"}}}}
"""A pod's shape: another cluster."""


class Kuberay:
    """Of one namespace: builds a cluster where none runs, ends pods that are too many, and hands
    the annotations of a RayService on to what it builds."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server, self._namespace = server, namespace
        self.saw: list[str] = []
        """In their order: what happened to the cluster that ran first."""

    def path(self, api: str, kind: str, name: str = "") -> str:
        return f"/{api}/namespaces/{self._namespace}/{kind}" + (f"/{name}" if name else "")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._server.ask(method, path, body)

    @property
    def clusters(self) -> list[Any]:
        found: list[Any] = self.ask("GET", self.path("apis/ray.io/v1", "rayclusters"))["items"]
        return found

    @property
    def workers(self) -> list[Any]:
        found: list[Any] = self.ask("GET", self.path("api/v1", "pods"))["items"]
        return [
            pod for pod in found if pod["metadata"]["labels"].get("ray.io/node-type") == "worker"
        ]

    def reconcile(self) -> None:
        service = self.ask("GET", self.path("apis/ray.io/v1", "rayservices", SERVICE))
        if not self.clusters:
            self._build(service)
        for cluster in self.clusters:
            self._size(cluster)

    def _build(self, service: Any) -> None:
        name = f"{SERVICE}-{len(self.saw)}"
        cluster = {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": name, "annotations": service["metadata"]["annotations"]},
            "spec": service["spec"]["rayClusterConfig"],
        }
        self.ask("POST", self.path("apis/ray.io/v1", "rayclusters"), cluster)
        service["status"] = {"activeServiceStatus": {"rayClusterName": name}}
        self.ask("PUT", self.path("apis/ray.io/v1", "rayservices", f"{SERVICE}/status"), service)
        self.saw.append(f"built {service['metadata']['annotations'][MARK]}")

    def _size(self, cluster: Any) -> None:
        name = cluster["metadata"]["name"]
        wanted = cluster["spec"]["workerGroupSpecs"][0]["replicas"]
        there = [pod for pod in self.workers if pod["metadata"]["labels"]["ray.io/cluster"] == name]
        for index in range(len(there), wanted):
            labels = {"ray.io/cluster": name, "ray.io/node-type": "worker"}
            spec = {"containers": [{"name": "ray", "image": "ray"}]}
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{name}-{index}-{time.monotonic_ns()}", "labels": labels},
                "spec": spec,
            }
            self.ask("POST", self.path("api/v1", "pods"), pod)
        for pod in there[wanted:]:
            self.ask("DELETE", self.path("api/v1", "pods", pod["metadata"]["name"]))
            self.saw.append("a worker left")

    @contextmanager
    def running(self) -> Iterator[None]:
        ends = threading.Event()

        def loop() -> None:
            while not ends.wait(0.2):
                try:
                    self.reconcile()
                except Answer as error:
                    if error.status not in (404, 409):  # of what has just changed
                        raise

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()


@pytest.fixture
def there(helm: Helm, server: ApiServer, tmp_path: Path) -> Helm:
    return replace(helm, kubeconfig=server.kubeconfig, home=tmp_path)


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    server.ask("POST", "/api/v1/namespaces", body)
    yield name
    server.ask("DELETE", f"/api/v1/namespaces/{name}")


def mark(server: ApiServer, namespace: str) -> str:
    """Of the RayService, as it is stored."""
    path = f"/apis/ray.io/v1/namespaces/{namespace}/rayservices/{SERVICE}"
    found: str = server.ask("GET", path)["metadata"]["annotations"][MARK]
    return found


def run_job(server: ApiServer, namespace: str, folder: Path) -> str:
    """The Job's own command as its own ServiceAccount: no kubelet runs it here."""
    jobs = server.ask("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    (job,) = [each for each in jobs if "-renew-" in each["metadata"]["name"]]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    account = folder / f"account-{time.monotonic_ns()}"
    account.mkdir()
    (account / "token").write_text(server.token_of(namespace, pod["serviceAccountName"]))
    (account / "namespace").write_text(namespace)
    (account / "ca.crt").write_bytes(server.authority.read_bytes())
    assert container["command"][:3] == ["python", "-m", "deploy.chart.renew"]
    code = (
        "import pathlib, sys; from deploy.chart import renew;"
        "renew.ACCOUNT = pathlib.Path(sys.argv[1]); sys.exit(renew.main(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(account), *container["command"][3:]]
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    done = subprocess.run(
        command,
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_cluster_comes_once_the_first_is_drained_and_gone(
    there: Helm, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    here = ("--namespace", namespace)
    there("install", "llm", CHART, *there.values(POCKET), *here)
    kuberay = Kuberay(server, namespace)
    assert "no cluster runs" in run_job(server, namespace, tmp_path)
    kuberay.reconcile()
    assert "as it should be" in run_job(server, namespace, tmp_path)
    assert len(kuberay.workers) == 1
    before = mark(server, namespace)

    there("upgrade", "llm", CHART, *there.values(POCKET, ANOTHER), *here)
    with kuberay.running():
        told = run_job(server, namespace, tmp_path)
        assert (
            "answers under way finish, within 3630 s; then its pools are away for about 70 s"
            in told
        )
        assert "drained in" in told
        assert "gone after" in told
        wait_for(lambda: len(kuberay.clusters) == 1 and len(kuberay.workers) == 1)
    assert kuberay.saw == [f"built {before}", "a worker left", f"built {mark(server, namespace)}"]
    assert before != mark(server, namespace)
    (cluster,) = kuberay.clusters
    limits = cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0][
        "resources"
    ]
    assert limits["limits"]["memory"] == "9Gi"
    assert "as it should be" in run_job(server, namespace, tmp_path)

    there("rollback", "llm", "1", *here)
    with kuberay.running():
        assert "gone after" in run_job(server, namespace, tmp_path)
        wait_for(lambda: kuberay.saw[-1] == f"built {before}")


def test_another_number_of_pods_reaches_the_cluster_that_runs(
    there: Helm, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    here = ("--namespace", namespace)
    there("install", "llm", CHART, *there.values(POCKET), *here)
    kuberay = Kuberay(server, namespace)
    kuberay.reconcile()
    there("upgrade", "llm", CHART, *there.values(POCKET, {"gpus": {"cpu": {"nodes": 3}}}), *here)
    assert "from 1 to 3 of its group of workers" in run_job(server, namespace, tmp_path)
    kuberay.reconcile()
    assert len(kuberay.workers) == 3
    assert len(kuberay.saw) == 1, "no other cluster"


def test_the_job_may_touch_nothing_but_ray_clusters(
    there: Helm, server: ApiServer, namespace: str
) -> None:
    there("install", "llm", CHART, *there.values(POCKET), "--namespace", namespace)
    token = server.token_of(namespace, "llm-bifocal-renew")
    root = f"namespaces/{namespace}"
    for method, path in (
        ("GET", f"/api/v1/{root}/secrets/llm-bifocal-keys"),
        ("DELETE", f"/apis/ray.io/v1/{root}/rayservices/{SERVICE}"),
        ("GET", f"/apis/apps/v1/{root}/deployments/llm-bifocal-gateway"),
        ("GET", "/apis/ray.io/v1/namespaces/default/rayclusters/any"),
    ):
        with pytest.raises(Answer) as refused:
            server.ask(method, path, token=token)
        assert refused.value.status == 403, path


def wait_for(seen: Any) -> None:
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.2)
