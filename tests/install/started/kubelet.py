"""A kubelet: runs the pods of one namespace and reports what becomes of them.

Each pod and each container has a thread. Pods are looked up twice a second, which is also how late
it may notice anything. Left out: resources, images, eviction, ephemeral and sidecar containers.
"""

import http.client
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.e2e.nodes import Space
from tests.install.helm import Manifest
from tests.install.server import Answer, ApiServer
from tests.install.started import volumes
from tests.install.started.container import Container, Mount, Who
from tests.install.started.network import Network
from tests.install.started.probes import Probe, Seen
from tests.install.started.variables import NotThere, environment, expanded

LOOK_S: Final = 0.5
TICK_S: Final = 0.1
BACKOFF_S: Final = 10.0
"""Before a container is started again, but for the first time."""
NODE: Final = "here"
_OWN: Final = ("--net", "--ipc", "--uts", "--pid")


class Api:
    """What a kubelet asks of the API server."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.root = f"/api/v1/namespaces/{namespace}"
        self._namespace = namespace

    def pods(self) -> list[Manifest]:
        found: list[Manifest] = self.server.ask("GET", f"{self.root}/pods")["items"]
        return found

    def get(self, kind: str, name: str) -> Manifest:
        """Raises NotThere."""
        try:
            found: Manifest = self.server.ask("GET", f"{self.root}/{kind}/{name}")
        except Answer as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                raise NotThere(f"{kind}/{name}") from None
            raise
        return found

    def token(self, account: str) -> str:
        return self.server.token_of(self._namespace, account)

    def bind(self, name: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.server.ask("POST", f"{self.root}/pods/{name}/binding", body)

    def report(self, name: str, status: Manifest) -> None:
        """Of a pod that may be gone."""
        with suppress(Answer):
            self.server.ask(
                "PATCH",
                f"{self.root}/pods/{name}/status",
                {"status": status},
                content="application/merge-patch+json",
            )

    def forget(self, name: str) -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        with suppress(Answer):
            self.server.ask("DELETE", f"{self.root}/pods/{name}", options)


class Kubelet:
    def __init__(self, server: ApiServer, namespace: str, network: Network, folder: Path) -> None:
        self._api, self._network, self._folder = Api(server, namespace), network, folder
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
                self.pods[uid] = PodRun(self._api, self._network, pod, self._folder / uid)
            run = self.pods.get(uid)
            if run is None:
                self._api.forget(pod["metadata"]["name"])
            elif "deletionTimestamp" in pod["metadata"]:
                run.leave(pod["metadata"]["deletionGracePeriodSeconds"])
        for uid, run in self.pods.items():
            if uid not in there:
                run.leave(0)

    def of(self, component: str, **labels: str) -> "list[PodRun]":
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
            run.leave(0)
        for run in self.pods.values():
            run.thread.join()


class PodRun:
    """One pod, from when it is bound until it is gone."""

    def __init__(self, api: Api, network: Network, pod: Manifest, folder: Path) -> None:
        self.pod, self.folder = pod, folder
        self.name: str = pod["metadata"]["name"]
        self.address = ""
        self.containers: list[ContainerRun] = []
        self.waits_for = ""
        self.over = False
        self.began = time.monotonic()
        self._api, self.network = api, network
        self._grace: float | None = None
        self._told: Manifest = {}
        self._leaving = threading.Event()
        self.thread = threading.Thread(target=self._run, name=self.name)
        self.thread.start()

    def leave(self, grace_s: float) -> None:
        """Again with less, sooner."""
        self._grace = grace_s if self._grace is None else min(grace_s, self._grace)
        self._leaving.set()

    @property
    def grace_s(self) -> float:
        return self._grace or 0

    @property
    def leaves(self) -> bool:
        return self._leaving.is_set()

    def pause(self, seconds: float) -> None:
        """Shorter if it leaves."""
        self._leaving.wait(seconds)

    @property
    def ready(self) -> bool:
        return bool(self.containers) and all(each.ready for each in self.containers)

    def _run(self) -> None:
        self._api.bind(self.name)
        space = Space(_OWN, 'hostname "$NAME"\n', {"NAME": self.name})
        try:
            self.address = self.network.join(space)
            if (mounted := self._volumes()) is not None and self._initialised(space, mounted):
                self._keep(space, mounted)
        finally:
            for each in self.containers:
                each.thread.join()
            space.end()
            if self.leaves:
                self._api.forget(self.name)
            self.over = True

    def _volumes(self) -> dict[str, Path | None] | None:
        """As soon as there is all that they hold; None if the pod leaves before."""
        while not self._leaving.wait(TICK_S):
            with suppress(NotThere):
                return volumes.made(
                    self.described, self.folder / "volumes", self._api.get, self._api.token
                )
            time.sleep(LOOK_S)
        return None

    @property
    def described(self) -> Manifest:
        """With what its status will say of it."""
        return self.pod | {"status": {"podIP": self.address, "hostIP": "127.0.0.1"}}

    def _initialised(self, space: Space, mounted: dict[str, Path | None]) -> bool:
        """Whether all init containers ended well, each after the one before."""
        for spec in self.pod["spec"].get("initContainers", []):
            self.waits_for = spec["name"]
            run = ContainerRun(self, space, spec, mounted, self._api, is_init=True)
            while run.thread.is_alive():
                run.thread.join(TICK_S)
                self._report()
            if run.exit_code != 0:
                return False
        self.waits_for = ""
        return True

    def _keep(self, space: Space, mounted: dict[str, Path | None]) -> None:
        self.containers = [
            ContainerRun(self, space, spec, mounted, self._api)
            for spec in self.pod["spec"]["containers"]
        ]
        while any(each.thread.is_alive() for each in self.containers):
            time.sleep(TICK_S)
            self._report()
        self._report()

    def _report(self) -> None:
        """If there is something new to say."""
        status = self._status()
        if status != self._told:
            self._told = status
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            conditions = [each | {"lastTransitionTime": now} for each in status["conditions"]]
            self._api.report(self.name, status | {"conditions": conditions, "startTime": now})

    def _status(self) -> Manifest:
        ended = [each.exit_code for each in self.containers if not each.thread.is_alive()]
        is_over = bool(self.containers) and len(ended) == len(self.containers)
        phase = "Running" if self.containers else "Pending"
        if is_over and not self.leaves:
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


class ContainerRun:
    """One container of a pod, started again as its pod says."""

    def __init__(
        self,
        pod: PodRun,
        space: Space,
        spec: Manifest,
        mounted: dict[str, Path | None],
        api: Api,
        *,
        is_init: bool = False,
    ) -> None:
        self._pod, self._space, self._spec, self._mounted = pod, space, spec, mounted
        self._api, self._is_init = api, is_init
        self.ready = False
        self.restarts = 0
        self.exit_code: int | None = None
        self.killed = False
        """Because its grace was over."""
        self.container: Container | None = None
        self.thread = threading.Thread(target=self._run, name=f"{pod.name}/{spec['name']}")
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
        while not self._pod.leaves:
            self._once()
            if not self._goes_on():
                return
            self.restarts += 1
            if self.restarts > 1:
                self._pod.pause(BACKOFF_S)

    def _goes_on(self) -> bool:
        policy = self._pod.pod["spec"].get("restartPolicy", "Always")
        if self._pod.leaves:
            return False
        failed = self.exit_code != 0
        return failed and policy != "Never" if self._is_init else _again(policy, failed)

    def _once(self) -> None:
        container = self._started()
        if container is None:
            return
        self.container = container
        watch = Watch(self._spec, container, self._pod.address)
        try:
            while (code := container.exit_code) is None and not self._pod.leaves:
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
        while not self._pod.leaves:
            with suppress(NotThere):
                env = environment(self._spec, self._pod.described, self._api.get)
                return self._start(env)
            time.sleep(LOOK_S)
        return None

    def _start(self, env: dict[str, str]) -> Container:
        env |= {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        words = [*self._spec.get("command", []), *self._spec.get("args", [])]
        return Container(
            self._space,
            self._pod.folder,
            self._spec["name"],
            [expanded(word, env) for word in words],
            env=env,
            mounts=self._mounts(),
            who=self._who(),
            hosts=self._pod.network.hosts,
        )

    def _mounts(self) -> list[Mount]:
        mounts = [
            Mount(self._mounted[each["name"]], each["mountPath"], not each.get("readOnly", False))
            for each in self._spec.get("volumeMounts", [])
        ]
        return sorted(mounts, key=lambda each: each.target)

    def _who(self) -> Who:
        of_pod = self._pod.pod["spec"].get("securityContext", {})
        own = of_pod | self._spec.get("securityContext", {})
        return Who(
            own.get("runAsUser", 0),
            own.get("runAsGroup", 0),
            read_only=own.get("readOnlyRootFilesystem", False),
        )

    def _stop(self, container: Container) -> None:
        """preStop, SIGTERM, and at the end of the grace SIGKILL; the hook's time counts."""
        grace = self._pod.grace_s if self._pod.leaves else self._usual_grace_s
        end = time.monotonic() + grace
        if grace and (hook := self._spec.get("lifecycle", {}).get("preStop")):
            container.run(hook["exec"]["command"], grace)
        if grace:
            container.signal(signal.SIGTERM)
        while container.exit_code is None and time.monotonic() < end:
            if self._pod.leaves:
                end = (
                    min(end, time.monotonic() + self._pod.grace_s) if not self._pod.grace_s else end
                )
            time.sleep(TICK_S)
        self.killed = container.exit_code is None

    @property
    def _usual_grace_s(self) -> float:
        grace: float = self._pod.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return grace


def _again(policy: str, failed: bool) -> bool:
    return policy == "Always" or (policy == "OnFailure" and failed)


class Watch:
    """A container's probes while it runs."""

    def __init__(self, spec: Manifest, container: Container, address: str) -> None:
        now = time.monotonic()
        self._container, self._address = container, address
        self._ports = {port["name"]: port["containerPort"] for port in spec.get("ports", [])}
        self._start = _begun(spec, "startupProbe", None, now)
        self._spec = spec
        self._ready: Seen | None = None
        self._live: Seen | None = None
        self._started = self._start is None
        if self._started:
            self._begin(now)

    def _begin(self, now: float) -> None:
        """Once it has started."""
        self._ready = _begun(self._spec, "readinessProbe", False, now)
        self._live = _begun(self._spec, "livenessProbe", True, now)

    @property
    def ready(self) -> bool:
        return self._started and (self._ready is None or bool(self._ready.says))

    def look(self, now: float) -> bool:
        """Runs what is due. Whether it may go on."""
        if self._start is not None and not self._started:
            self._start = self._looked(self._start, now)
            if self._start.says is False:
                return False
            if self._start.says:
                self._started = True
                self._begin(time.monotonic())
            return True
        self._ready = self._ready and self._looked(self._ready, now)
        self._live = self._live and self._looked(self._live, now)
        return self._live is None or self._live.says is not False

    def _looked(self, seen: Seen, now: float) -> Seen:
        if now < seen.due:
            return seen
        return seen.after(self._asked(seen.probe), time.monotonic())

    def _asked(self, probe: Probe) -> bool:
        if "exec" in probe.action:
            return self._container.run(probe.action["exec"]["command"], probe.timeout_s)
        return self._get(probe.action["httpGet"], probe.timeout_s)

    def _get(self, action: Manifest, timeout_s: float) -> bool:
        port: Any = action["port"]
        connection = http.client.HTTPConnection(
            action.get("host", self._address), self._ports.get(port, port), timeout=timeout_s
        )
        try:
            connection.request("GET", action["path"], headers={"user-agent": "kube-probe/1.30"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return http.HTTPStatus.OK <= status < http.HTTPStatus.BAD_REQUEST


def _begun(spec: Manifest, name: str, says: bool | None, now: float) -> Seen | None:
    return Seen.begun(Probe.of(spec[name]), says=says, now=now) if name in spec else None
