"""A container's probes while it runs: asked when they are due."""

import http.client
import time
from typing import Any

from tests.install.helm import Manifest
from tests.install.started.container import Container
from tests.install.started.probes import Probe, Seen


class Watch:
    """Of one run of a container."""

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
