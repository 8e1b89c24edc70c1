"""A cluster of one node, from an empty namespace to nothing."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from tests.install.helm import Helm, Manifest
from tests.install.images import Image
from tests.install.server import Answer, ApiServer
from tests.install.started.api import NODE
from tests.install.started.kubelet import Kubelet
from tests.install.started.network import Network
from tests.install.started.operator import Operator
from tests.install.started.pod_run import PodRun
from tests.install.started.services import Services
from tests.install.started.variables import data

RELEASE: Final = "llm"


@dataclass(frozen=True)
class Cluster:
    """What runs, and what is known of it."""

    server: ApiServer
    helm: Helm
    namespace: str
    folder: Path
    network: Network
    kubelet: Kubelet
    operator: Operator
    services: Services

    def run(self, *words: str | Path) -> str:
        """Helm, in the namespace."""
        return self.helm(*words, "--namespace", self.namespace)

    def get(self, path: str) -> Manifest:
        """`v1/services/NAME`, `apps/v1/deployments/NAME`."""
        api, kind, name = path.rsplit("/", 2)
        root = f"/api/{api}" if api == "v1" else f"/apis/{api}"
        found: Manifest = self.server.ask(
            "GET", f"{root}/namespaces/{self.namespace}/{kind}/{name}"
        )
        return found

    @cached_property
    def url(self) -> str:
        """The gateway's Service, as its clients know it."""
        spec = self.get(f"v1/services/{RELEASE}-bifocal")["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    def has_keys(self) -> bool:
        return "admin" in data(self.get(f"v1/secrets/{RELEASE}-bifocal-keys"))

    @cache  # noqa: B019 - there are few clusters
    def key(self, name: str = "admin") -> str:
        return data(self.get(f"v1/secrets/{RELEASE}-bifocal-keys"))[name]

    def ready(self, component: str, node: str | None = None) -> bool:
        """Whether any pod of it is; of Ray's, a head or a worker."""
        labels = {"ray.io/node-type": node} if node else {}
        return any(run.ready for run in self.kubelet.of(component, **labels))

    def until(self, holds: Callable[[], Any], what: str, limit_s: float) -> float:
        """Seconds that it took."""
        began = time.monotonic()
        while not holds():
            for part in (self.kubelet, self.operator, self.services):
                if part.failures:
                    raise part.failures[0]
            waited = time.monotonic() - began
            assert waited < limit_s, f"{what}: not within {limit_s:g} s\n{self.told()}"
            time.sleep(0.3)
        return time.monotonic() - began

    def told(self) -> str:
        """By what runs, at its end."""
        return "\n".join(_told(run) for run in self.kubelet.pods.values())


def _told(run: PodRun) -> str:
    lines = [f"== {run.name} ready={run.ready} over={run.over} waits for {run.waits_for!r}"]
    for log in sorted(run.folder.glob("*.log")):
        lines.append(f"-- {log.name}\n{log.read_text(errors='replace')[-1500:]}")
    return "\n".join(lines)


@contextmanager
def cluster(
    server: ApiServer, helm: Helm, images: Mapping[str, Image], *, has_rays: bool = True
) -> Iterator[Cluster]:
    """On images that were built, as far as there are any. Without an operator for Ray, a RayService
    comes to nothing."""
    namespace = f"started-{secrets.token_hex(3)}"
    folder = Path(tempfile.mkdtemp(prefix="bfk-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for path, kind, name in (
            ("/api/v1/namespaces", "Namespace", namespace),
            ("/api/v1/nodes", "Node", NODE),
        ):
            body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
            server.ask("POST", path, body)
            stack.callback(_deleted, server, f"{path}/{name}")
        network = Network(folder / "hosts")
        stack.callback(network.end)
        services = Services(server, namespace, network)
        stack.callback(services.end)
        kubelet = Kubelet(server, namespace, network, folder, images)
        stack.callback(kubelet.end)
        operator = Operator(server, namespace, works=has_rays)
        stack.callback(operator.end)
        yield Cluster(server, helm, namespace, folder, network, kubelet, operator, services)


def _deleted(server: ApiServer, path: str) -> None:
    with suppress(Answer):
        server.ask("DELETE", path)
