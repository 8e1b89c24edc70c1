"""One pod, in a thread of its own, from when it is bound until it is gone."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.e2e.nodes import Space
from tests.install.helm import Manifest
from tests.install.images import Image
from tests.install.started import volumes
from tests.install.started.api import Api
from tests.install.started.container_run import AGAIN_S, TICK_S, ContainerRun, Leaving, Place
from tests.install.started.network import Network
from tests.install.started.variables import NotThere

_OWN: Final = ("--net", "--ipc", "--uts", "--pid")


class PodRun:
    """`over` once nothing of it runs; a pod that was deleted is then gone from the server, too."""

    def __init__(
        self,
        api: Api,
        network: Network,
        pod: Manifest,
        folder: Path,
        images: Mapping[str, Image],
    ) -> None:
        self.pod, self.folder = pod, folder
        folder.mkdir()
        self.name: str = pod["metadata"]["name"]
        self.address = ""
        self.containers: list[ContainerRun] = []
        self.waits_for = ""
        self.over = False
        self.began = time.monotonic()
        self._api, self._network, self._images = api, network, images
        self._told: Manifest = {}
        self.leaving = Leaving()
        self.thread = threading.Thread(target=self._run, name=self.name)
        self.thread.start()

    @property
    def ready(self) -> bool:
        return bool(self.containers) and all(each.ready for each in self.containers)

    def _run(self) -> None:
        self._api.bind(self.name)
        space = Space(_OWN, 'hostname "$NAME"\n', {"NAME": self.name})
        try:
            self.address = self._network.join(space, self.name)
            if (place := self._place(space)) is not None and self._initialised(place):
                self._keep(place)
        finally:
            for each in self.containers:
                each.thread.join()
            space.end()
            if self.leaving.begun:
                self._api.forget(self.name)
            self.over = True

    def _place(self, space: Space) -> Place | None:
        """As soon as there is all that its volumes hold; None if the pod leaves before."""
        described = self.pod | {"status": {"podIP": self.address, "hostIP": "127.0.0.1"}}
        while not self.leaving.wait(TICK_S):
            with suppress(NotThere, OSError):
                mounted = volumes.made(
                    described, self.folder / "volumes", self._api.get, self._api.token
                )
                return Place(
                    described,
                    self.address,
                    space,
                    self.folder,
                    mounted,
                    self._network.hosts,
                    self._images,
                    self._api,
                    self.leaving,
                )
            time.sleep(AGAIN_S)
        return None

    def _initialised(self, place: Place) -> bool:
        """Whether all init containers ended well, each after the one before."""
        for spec in self.pod["spec"].get("initContainers", []):
            self.waits_for = spec["name"]
            run = ContainerRun(place, spec, is_init=True)
            while run.thread.is_alive():
                run.thread.join(TICK_S)
                self._report()
            if run.exit_code != 0:
                return False
        self.waits_for = ""
        return True

    def _keep(self, place: Place) -> None:
        self.containers = [ContainerRun(place, spec) for spec in self.pod["spec"]["containers"]]
        while any(each.thread.is_alive() for each in self.containers):
            time.sleep(TICK_S)
            self._report()
        self._report()

    def _report(self) -> None:
        """If there is something new to say."""
        status = self._status()
        if status != self._told:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            conditions = [each | {"lastTransitionTime": now} for each in status["conditions"]]
            with suppress(OSError):
                self._api.report(self.name, status | {"conditions": conditions, "startTime": now})
                self._told = status

    def _status(self) -> Manifest:
        ended = [each.exit_code for each in self.containers if not each.thread.is_alive()]
        is_over = bool(self.containers) and len(ended) == len(self.containers)
        phase = "Running" if self.containers else "Pending"
        if is_over and not self.leaving.begun:
            phase = "Failed" if any(ended) else "Succeeded"
        says = {"Initialized": bool(self.containers), "PodScheduled": True}
        says |= {"Ready": self.ready, "ContainersReady": self.ready}
        return {
            "phase": phase,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "hostIP": "127.0.0.1",
            "conditions": [{"type": name, "status": str(is_so)} for name, is_so in says.items()],
            "containerStatuses": [each.status for each in self.containers],
        }
