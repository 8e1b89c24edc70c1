"""One container of a pod, in a thread of its own, started again as its pod says."""

import re
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.nodes import Space
from tests.install.helm import Manifest
from tests.install.images import Image
from tests.install.server import IN_CLUSTER
from tests.install.started.api import Api
from tests.install.started.container import Container, Mount, Who
from tests.install.started.variables import NotThere, environment, expanded
from tests.install.started.watch import Watch

TICK_S: Final = 0.1
AGAIN_S: Final = 0.5
"""Until what was missing is looked for again."""
BACKOFF_S: Final = 10.0
"""Before a container is started again, but for the first time."""


class Leaving:
    """A pod's leave, once it is asked for."""

    def __init__(self) -> None:
        self.grace_s = 0.0
        self._begun = threading.Event()

    def begin(self, grace_s: float) -> None:
        """Again with less, sooner."""
        self.grace_s = min(grace_s, self.grace_s) if self.begun else grace_s
        self._begun.set()

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether it has begun by then."""
        return self._begun.wait(seconds)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the containers of a pod run, and what they share."""

    pod: Manifest
    """With what its status will say of it."""
    address: str
    space: Space
    folder: Path
    volumes: dict[str, Path | None]
    hosts: Path
    images: Mapping[str, Image]
    api: Api
    leaving: Leaving


class ContainerRun:
    def __init__(self, place: Place, spec: Manifest, *, is_init: bool = False) -> None:
        self._place, self._spec, self._is_init = place, spec, is_init
        self.ready = False
        self.restarts = 0
        self.exit_code: int | None = None
        self.killed = False
        """Because its grace was over."""
        self.container: Container | None = None
        self.thread = threading.Thread(target=self._run, name=spec["name"])
        self.thread.start()

    @property
    def status(self) -> Manifest:
        state: Manifest = {"running": {}}
        if not self.thread.is_alive():
            state = {"terminated": {"exitCode": self.exit_code or 0}}
        elif self.container is None:
            state = {"waiting": {"reason": "ContainerCreating"}}
        return {
            "name": self._spec["name"], "image": self._spec["image"], "imageID": "",
            "ready": self.ready, "restartCount": self.restarts, "state": state,
        }  # fmt: skip

    def _run(self) -> None:
        while not self._place.leaving.begun:
            self._once()
            if not self._goes_on():
                return
            self.restarts += 1
            if self.restarts > 1:
                self._place.leaving.wait(BACKOFF_S)

    def _goes_on(self) -> bool:
        policy = self._place.pod["spec"].get("restartPolicy", "Always")
        if self._place.leaving.begun:
            return False
        failed = self.exit_code != 0
        return failed and policy != "Never" if self._is_init else _again(policy, failed)

    def _once(self) -> None:
        container = self._started()
        if container is None:
            return
        self.container = container
        watch = Watch(self._spec, container, self._place.address)
        try:
            while (code := container.exit_code) is None and not self._place.leaving.begun:
                if not watch.look(time.monotonic()):
                    break
                self.ready = watch.ready
                time.sleep(TICK_S)
            if code is None:
                self._stop(container)
        finally:
            self.ready = False
            container.kill()
        self.exit_code = container.exit_code

    def _started(self) -> Container | None:
        """As soon as there is all that its variables refer to; None if its pod leaves before."""
        while not self._place.leaving.begun:
            env = None
            with suppress(NotThere, OSError):
                env = environment(self._spec, self._place.pod, self._place.api.get)
            if env is not None:
                return self._start(env)
            time.sleep(AGAIN_S)
        return None

    def _start(self, env: dict[str, str]) -> Container:
        env |= {"KUBERNETES_SERVICE_HOST": IN_CLUSTER, "KUBERNETES_SERVICE_PORT": "443"}
        words = [*self._spec.get("command", []), *self._spec.get("args", [])]
        return Container(
            self._place.space,
            self._place.folder,
            self._spec["name"],
            [expanded(word, env) for word in words],
            env=env,
            mounts=self._mounts(),
            who=self._who(),
            hosts=self._place.hosts,
            image=self._place.images.get(name_of(self._spec["image"])),
        )

    def _mounts(self) -> list[Mount]:
        mounts = [
            Mount(
                self._place.volumes[each["name"]],
                each["mountPath"],
                not each.get("readOnly", False),
            )
            for each in self._spec.get("volumeMounts", [])
        ]
        return sorted(mounts, key=lambda each: each.target)

    def _who(self) -> Who:
        of_pod = self._place.pod["spec"].get("securityContext", {})
        own = of_pod | self._spec.get("securityContext", {})
        return Who(
            own.get("runAsUser", 0),
            own.get("runAsGroup", 0),
            read_only=own.get("readOnlyRootFilesystem", False),
        )

    def _stop(self, container: Container) -> None:
        """preStop, SIGTERM, and at the end of the grace SIGKILL; the hook's time counts."""
        grace = self._place.leaving.grace_s if self._place.leaving.begun else self._usual_grace_s
        end = time.monotonic() + grace
        if grace and (hook := self._spec.get("lifecycle", {}).get("preStop")):
            container.run(hook["exec"]["command"], grace)
        if grace:
            container.signal(signal.SIGTERM)
        while container.exit_code is None and time.monotonic() < end:
            if self._place.leaving.begun and not self._place.leaving.grace_s:
                break
            time.sleep(TICK_S)
        self.killed = container.exit_code is None

    @property
    def _usual_grace_s(self) -> float:
        grace: float = self._place.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return grace


def name_of(image: str) -> str:
    """`registry:5000/ai/NAME:tag@digest`."""
    return re.split("[:@]", image.rpartition("/")[2])[0]


def _again(policy: str, failed: bool) -> bool:
    return policy == "Always" or (policy == "OnFailure" and failed)
