"""A kubelet: runs the pods of one namespace and reports what becomes of them.

Pods are looked up twice a second, which is also how late it may notice anything. Left out:
resources, pulling images, eviction, ephemeral and sidecar containers.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.install.helm import Manifest
from tests.install.images import Image
from tests.install.server import Answer, ApiServer
from tests.install.started.api import Api
from tests.install.started.network import Network
from tests.install.started.pod_run import PodRun

LOOK_S: Final = 0.5


class Kubelet:
    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        network: Network,
        folder: Path,
        images: Mapping[str, Image],
    ) -> None:
        self._api, self._network, self._folder = Api(server, namespace), network, folder
        self._images = images
        self.pods: dict[str, PodRun] = {}
        """By uid, those that ended too."""
        self.failures: list[BaseException] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="kubelet")
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self._sync(self._api.pods())
            except (OSError, Answer):
                continue
            except BaseException as error:
                self.failures.append(error)
                raise

    def _sync(self, found: list[Manifest]) -> None:
        there = {pod["metadata"]["uid"]: pod for pod in found}
        for uid, pod in there.items():
            if uid not in self.pods and "deletionTimestamp" not in pod["metadata"]:
                self.pods[uid] = PodRun(
                    self._api, self._network, pod, self._folder / uid, self._images
                )
            run = self.pods.get(uid)
            if run is None:
                self._api.forget(pod["metadata"]["name"])
            elif "deletionTimestamp" in pod["metadata"]:
                run.leaving.begin(pod["metadata"]["deletionGracePeriodSeconds"])
        for uid, run in self.pods.items():
            if uid not in there:
                run.leaving.begin(0)

    def of(self, component: str, **labels: str) -> list[PodRun]:
        """Those that run, by the labels of their pods."""
        wanted = {"app.kubernetes.io/component": component} | labels
        return [
            run
            for run in list(self.pods.values())
            if not run.over and wanted.items() <= run.pod["metadata"]["labels"].items()
        ]

    def end(self) -> None:
        """With all that runs, at once."""
        self._over.set()
        self._thread.join()
        for run in self.pods.values():
            run.leaving.begin(0)
        for run in self.pods.values():
            run.thread.join()
