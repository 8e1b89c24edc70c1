"""An operator: makes a Ray cluster of each RayService and gives it what is to be served.

As KubeRay's controller does (`ray-operator/controllers/ray/rayservice_controller.go` of
ray-project/kuberay v1.7.0, updateServeDeployment): once the head is ready, `serveConfigV2` is put
to its dashboard, and again whenever it is another one. Left out: a second cluster for another
`rayClusterConfig`, which a test may not change here, and most of the status.
"""

import json
import random
import string
import threading
import urllib.error
import urllib.request
from typing import Any, Final

import yaml

from tests.install.helm import Manifest
from tests.install.server import Answer, ApiServer
from tests.install.started import kuberay
from tests.install.started.variables import NotThere, data

LOOK_S: Final = 1.0
APPLICATIONS: Final = "/api/serve/applications/"
DASHBOARD: Final = 8265
TIMEOUT_S: Final = 10.0


class RayCluster:
    """One RayService's."""

    def __init__(self, server: ApiServer, service: Manifest) -> None:
        self._server = server
        self._namespace: str = service["metadata"]["namespace"]
        self._root = f"/api/v1/namespaces/{self._namespace}"
        self._ray = f"/apis/ray.io/v1/namespaces/{self._namespace}"
        self.service = service
        ending = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
        self.name = f"{service['metadata']['name']}-{ending}"
        self._applied = ""

    def make(self) -> None:
        """A RayCluster with its Services and pods, which end with it. Raises Answer."""
        meta = self.service["metadata"]
        body = {
            "apiVersion": self.service["apiVersion"],
            "kind": "RayCluster",
            "metadata": {
                "name": self.name,
                "namespace": self._namespace,
                "annotations": meta.get("annotations", {}),
                "ownerReferences": [_owner(self.service, "RayService")],
            },
            "spec": self.service["spec"]["rayClusterConfig"],
        }
        made = self._server.ask("POST", f"{self._ray}/rayclusters", body)
        for each in (
            *kuberay.head_services(self.service, self.name),
            *kuberay.pods(self.service, self.name),
        ):
            each["metadata"]["ownerReferences"] = [_owner(made, "RayCluster")]
            self._server.ask("POST", f"{self._root}/{each['kind'].lower()}s", each)

    def look(self, service: Manifest) -> None:
        """Raises OSError, Answer, NotThere."""
        self.service = service
        wanted = service["spec"]["serveConfigV2"]
        if wanted != self._applied and self._head_is_ready():
            self.ask("PUT", APPLICATIONS, yaml.safe_load(wanted))
            self._applied = wanted
            self._report()

    def _report(self) -> None:
        status = {"activeServiceStatus": {"rayClusterName": self.name}}
        self._server.ask(
            "PATCH",
            f"{self._ray}/rayservices/{self.service['metadata']['name']}/status",
            {"status": status},
            content="application/merge-patch+json",
        )

    @property
    def is_applied(self) -> bool:
        """Whether Ray was given what is stored."""
        name = self.service["metadata"]["name"]
        found = self._server.ask("GET", f"{self._ray}/rayservices/{name}")
        stored: str = found["spec"]["serveConfigV2"]
        return stored == self._applied

    def head(self) -> Manifest:
        """Its pod. Raises NotThere."""
        labels = f"ray.io%2Fcluster%3D{self.name}%2Cray.io%2Fnode-type%3Dhead"
        pods = self._server.ask("GET", f"{self._root}/pods?labelSelector={labels}")["items"]
        if not pods:
            raise NotThere(f"head of {self.name}")
        found: Manifest = pods[0]
        return found

    def _head_is_ready(self) -> bool:
        said = self.head()["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in said)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ray's REST API on the head, with the cluster's token."""
        auth = self.service["spec"]["rayClusterConfig"]["authOptions"]
        secret = self._server.ask("GET", f"{self._root}/secrets/{auth['secretName']}")
        request = urllib.request.Request(
            f"http://{self.head()['status']['podIP']}:{DASHBOARD}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {data(secret)['auth_token']}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _owner(found: Manifest, kind: str) -> Manifest:
    meta = found["metadata"]
    return {
        "apiVersion": found["apiVersion"],
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


class Operator:
    def __init__(self, server: ApiServer, namespace: str, *, works: bool = True) -> None:
        self._server, self._namespace = server, namespace
        self.clusters: dict[str, RayCluster] = {}
        """By the name of the RayService."""
        self.failures: list[BaseException] = []
        self._over = threading.Event()
        if not works:
            self._over.set()
        self._thread = threading.Thread(target=self._look, name="operator")
        self._thread.start()

    def _look(self) -> None:
        path = f"/apis/ray.io/v1/namespaces/{self._namespace}/rayservices"
        while not self._over.wait(LOOK_S):
            try:
                for service in self._server.ask("GET", path)["items"]:
                    name = service["metadata"]["name"]
                    if name not in self.clusters:
                        self.clusters[name] = RayCluster(self._server, service)
                        self._made(self.clusters[name])
                    self.clusters[name].look(service)
            except (OSError, Answer, NotThere):
                continue
            except BaseException as error:
                self.failures.append(error)
                raise

    def _made(self, cluster: RayCluster) -> None:
        """What is refused here would be refused again."""
        try:
            cluster.make()
        except Answer as error:
            self.failures.append(error)

    def end(self) -> None:
        self._over.set()
        self._thread.join()
