"""The one process that keeps the service on this machine: starts it, watches it, ends all of it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from deploy.local.listening import line_of
from deploy.local.phases import Phase
from deploy.local.report import Report
from deploy.local.rest import RayRefused
from deploy.local.service import LocalService
from deploy.local.state import StateFolder
from serving.values import ModelName

TICK_S: Final = 0.5
RAY_ATTEMPTS: Final = 2
RAY_LIMIT_S: Final = 240.0
"""Quiet, it takes five to ten seconds."""
QUESTION: Final = '{"model": "auto", "messages": [{"role": "user", "content": "What is 12 + 7?"}]}'
ANOTHER_GATEWAY: Final = signal.SIGUSR1
"""Asks a supervisor for a gateway of the cluster file that is being applied."""


class StartFailed(Exception):
    """The service did not come up, or lost what it cannot do without."""


class Supervisor:
    """Holds the state folder's lock already."""

    def __init__(self, service: LocalService, state: StateFolder, report: Report) -> None:
        self._service = service
        self._state = state
        self._report = report
        self._stop = threading.Event()
        self._other_gateway = threading.Event()
        self._began = time.monotonic()
        self._missing: dict[ModelName, str] = {}
        """Pools that are not served for now, and why."""

    def run(self) -> None:
        """Returns when it was told to stop. Raises StartFailed, preflight.NotReady. Either way
        nothing of it is left running; Ray's logs are left after a failure."""
        with self._signals():
            try:
                self._service.check()
            except BaseException:  # nothing has been started that would have to be ended
                self._forget()
                raise
            try:
                self._serve()
            except StartFailed as error:
                self._end()
                self._state.save(self._service.as_running("failed", str(error)))
                raise
            except BaseException:
                self._end()
                self._forget()
                raise
            self._end()
            self._forget()

    def _serve(self) -> None:
        try:
            self._start()
            self._watch()
        except RayRefused as error:
            what = f"Ray refuses what it is asked: {error}\nRay's logs: {self._service.ray.logs}"
            raise StartFailed(what) from error

    def _start(self) -> None:
        self._report.say(f"starting; Ray's logs: {self._service.ray.logs}")
        self._service.start(time.monotonic())
        self._state.save(self._service.as_running("starting"))
        self._await_ray()
        while not self._stop.is_set() and not self._check():
            self._stop.wait(TICK_S)
        if not self._stop.is_set():
            self._announce()

    def _await_ray(self) -> None:
        """Returns when it has taken the pools. On a very busy machine Ray's processes give each
        other up while they start: the next time their files are in memory."""
        for _ in range(RAY_ATTEMPTS - 1):
            if self._ray_comes():
                return
            self._report.say(f"Ray did not start, see {self._service.ray.log}; trying once more")
            self._service.restart_ray()
            self._state.save(self._service.as_running("starting"))
        if not self._ray_comes():
            raise StartFailed(self._service.failure([]) or "Ray's REST API does not answer")

    def _ray_comes(self) -> bool:
        """Also when we are told to stop: whoever waits must look."""
        deadline = time.monotonic() + RAY_LIMIT_S
        while not self._stop.is_set() and not self._service.deploy():
            self._report.pools(self._service.statuses())
            if self._service.ray.exit_code is not None or time.monotonic() > deadline:
                return False
            self._stop.wait(TICK_S)
        return True

    def _check(self) -> bool:
        """Shows how things are, and says whether all is as ready as it can be now."""
        pools = self._service.statuses()
        self._report.pools(pools)
        if failure := self._service.failure(pools):
            raise StartFailed(f"{failure}\nRay's logs: {self._service.ray.logs}")
        self._missing = {each.name: each.trouble for each in pools if each.trouble}
        return all(each.is_settled for each in pools) and self._service.is_offered(pools)

    def _announce(self) -> None:
        self._report.close()
        for each in self._service.wide_listeners():
            self._report.say(line_of(each, gateway_port=self._service.cluster.gateway.port))
        for name, why in self._missing.items():
            self._report.say(f"{name} is not served, the others are: {why}")
        for line in self._welcome():
            self._report.say(line)
        self._state.save(self._service.as_running("ready"))

    def _welcome(self) -> Iterator[str]:
        url = self._service.url
        key = "-H 'authorization: Bearer KEY' " if self._service.cluster.gateway.keys else ""
        yield f"ready after {time.monotonic() - self._began:.0f} s: {url}"
        yield f"  curl {url}/v1/chat/completions {key}-H 'content-type: application/json' \\"
        yield f"    -d '{QUESTION}'"
        yield "stop it with Ctrl-C or `bifocal down`"

    def _watch(self) -> None:
        """Serve heals the pools and we the gateway; without Ray's head nothing lasts."""
        while not self._stop.wait(TICK_S):
            self._tell_who_came()
            if self._service.ray.exit_code is not None:
                raise StartFailed(self._service.failure([]) or "Ray ended")
            if self._other_gateway.is_set():
                self._other_gateway.clear()
                self._hand_over()
            elif self._service.gateway.restart_if_due(time.monotonic()):
                log = self._state.gateway_log
                self._report.say(f"the gateway had died and was started again; its log: {log}")
                self._state.save(self._service.as_running("ready"))

    def _hand_over(self) -> None:
        failed = self._service.hand_over(time.monotonic(), self._is_over)
        self._report.say(failed or "another gateway has taken over; the one before answers out")
        self._state.save(self._service.as_running("ready"))

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._service.ray.exit_code is not None

    def _tell_who_came(self) -> None:
        if not self._missing:
            return
        for each in self._service.statuses():
            if each.phase is Phase.READY and self._missing.pop(each.name, ""):
                self._report.say(f"{each.name} is ready, too")

    def _end(self) -> None:
        """Whoever closed the terminal hears of it no more."""
        with suppress(OSError):
            self._report.close()
            self._report.say("stopping")
        self._service.end()
        with suppress(OSError):
            self._report.say("stopped")

    def _forget(self) -> None:
        self._service.ray.forget()
        self._state.clear()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and a closed terminal ask for the same; of the last `nohup` wants us not
        to hear."""
        asked = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), self._stop)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            del asked[signal.SIGHUP]
        asked[ANOTHER_GATEWAY] = self._other_gateway
        before = {each: signal.signal(each, partial(_set, event)) for each, event in asked.items()}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _set(event: threading.Event, *_: object) -> None:
    event.set()
