"""When the supervisor waits, tries again, gives up, heals and ends; with a service that only says
what each test wants it to say."""

import errno
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.local import supervisor as supervision
from deploy.local.head import Ports
from deploy.local.phases import Phase, PoolStatus
from deploy.local.preflight import NotReady
from deploy.local.processes import ProcessId
from deploy.local.rest import RayRefused
from deploy.local.state import Progress, Running, StateFolder
from deploy.local.supervisor import ANOTHER_GATEWAY, StartFailed, Supervisor
from serving.values import ModelName


class Ray:
    def __init__(self, temp_dir: Path) -> None:
        self.exit_code: int | None = None
        self.logs = temp_dir / "logs"
        self.log = temp_dir / "head.log"
        self.forgotten = False

    def forget(self) -> None:
        self.forgotten = True


class Service:
    """`takes` says at which of Ray's starts it takes the pools."""

    def __init__(self, temp_dir: Path, *, takes: int = 1, phase: Phase = Phase.READY) -> None:
        self.url = "http://127.0.0.1:8000"
        self.cluster = SimpleNamespace(gateway=SimpleNamespace(port=8000, keys=None))
        self.gateway = SimpleNamespace(restart_if_due=lambda now: False)
        self.ray = Ray(temp_dir)
        self.problem: NotReady | None = None
        self.refusal: RayRefused | None = None
        self.starts = 0
        self.ended = 0
        self.others: list[PoolStatus] = []
        self._takes = takes
        self._phase = phase

    def check(self) -> None:
        if self.problem:
            raise self.problem

    def start(self, now: float) -> None:
        self.restart_ray()

    def restart_ray(self) -> None:
        self.starts += 1
        self.ray.exit_code = None if self.starts >= self._takes else 1

    def deploy(self) -> bool:
        if self.refusal:
            raise self.refusal
        return self.starts >= self._takes

    def statuses(self) -> list[PoolStatus]:
        one = PoolStatus(ModelName("pocket-moe"), self._phase, why="no such folder")
        return [one, *self.others]

    def failure(self, pools: list[PoolStatus]) -> str | None:
        if self.ray.exit_code is not None:
            return "Ray ended"
        return "pocket-moe failed" if all(each.trouble for each in pools) else None

    def is_offered(self, pools: list[PoolStatus]) -> bool:
        return True

    def wide_listeners(self) -> Iterator[Any]:
        return iter(())

    def end(self) -> None:
        self.ended += 1

    def as_running(self, progress: Progress, why: str | None = None) -> Running:
        return Running(
            ProcessId(1, 1.0), progress, self.url, "http://ray", Ports(*range(10)), "/t", why=why
        )


class Lines(list[str]):
    """A report that keeps what was said, and has us told to stop when it has heard a word."""

    def __init__(self, stop_at: str | None = None) -> None:
        self._stop_at = stop_at

    def say(self, text: str) -> None:
        self.append(text)
        if self._stop_at and self._stop_at in text:
            signal.raise_signal(signal.SIGTERM)

    def pools(self, statuses: Any) -> None:
        for status in statuses:
            self.say(status.phase)

    def close(self) -> None:
        return


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "TICK_S", 0.01)


def run(service: Service, state: StateFolder, *, stop_at: str | None = None) -> Lines:
    lines = Lines(stop_at)
    Supervisor(service, state, lines).run()  # type: ignore[arg-type]  # as far as it goes
    return lines


def test_it_serves_until_it_is_told_to_stop_and_leaves_nothing(
    tmp_path: Path, state: StateFolder
) -> None:
    service = Service(tmp_path)
    lines = run(service, state, stop_at="stop it with")
    assert any("ready after" in line and service.url in line for line in lines)
    assert any(line.lstrip().startswith("curl http://127.0.0.1:8000/v1/chat") for line in lines)
    assert lines[-2:] == ["stopping", "stopped"]
    assert (service.ended, service.ray.forgotten, state.load()) == (1, True, None)


class ClosedAtTheEnd(Lines):
    def say(self, text: str) -> None:
        super().say(text)
        if text == "stopping":
            raise OSError(errno.EIO, "the terminal is gone")


def test_a_terminal_that_was_closed_leaves_nothing_running(
    tmp_path: Path, state: StateFolder
) -> None:
    service = Service(tmp_path)
    lines = ClosedAtTheEnd("stop it with")
    Supervisor(service, state, lines).run()  # type: ignore[arg-type]  # as far as it goes
    assert (service.ended, service.ray.forgotten, state.load()) == (1, True, None)


@pytest.mark.parametrize("ignored", [False, True], ids=["a closed terminal", "nohup"])
def test_a_hangup_ends_it_unless_it_was_told_not_to_hear(
    tmp_path: Path, state: StateFolder, ignored: bool
) -> None:
    service, ticks = Service(tmp_path), iter([signal.SIGHUP, signal.SIGTERM])
    sent: list[signal.Signals] = []

    def tick(now: float) -> bool:
        sent.append(next(ticks))
        signal.raise_signal(sent[-1])
        return False

    service.gateway.restart_if_due = tick
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        run(service, state)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(sent) == (2 if ignored else 1)


def test_a_ray_that_did_not_start_gets_a_second_try(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path, takes=2)
    lines = run(service, state, stop_at="stop it with")
    assert service.starts == 2
    assert any("once more" in line for line in lines)
    assert any("ready after" in line for line in lines)


def test_a_ray_that_never_starts_is_a_failure_that_is_kept(
    tmp_path: Path, state: StateFolder
) -> None:
    service = Service(tmp_path, takes=9)
    with pytest.raises(StartFailed, match="Ray ended"):
        run(service, state)
    kept = state.load()
    assert kept is not None
    assert (kept.progress, kept.why) == ("failed", "Ray ended")
    assert (service.starts, service.ended, service.ray.forgotten) == (2, 1, False)


def test_what_ray_refuses_is_a_failure_in_its_words(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path)
    service.refusal = RayRefused("400: no such field: replicas")
    with pytest.raises(StartFailed, match=r"Ray refuses .*no such field"):
        run(service, state)
    kept = state.load()
    assert kept is not None
    assert kept.progress == "failed"
    assert service.ended == 1


def test_a_pool_that_failed_ends_it_with_the_reason(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path, phase=Phase.FAILED)
    with pytest.raises(StartFailed, match="pocket-moe failed"):
        run(service, state)
    assert service.ended == 1


@pytest.mark.parametrize(
    "other",
    [
        PoolStatus(ModelName("qwen3-8b"), Phase.FAILED, why="answers 404"),
        PoolStatus(ModelName("qwen3-8b"), Phase.FETCHING, note="answers 404", held=True),
    ],
    ids=["failed", "held"],
)
def test_a_pool_that_cannot_be_served_leaves_the_others_serving(
    tmp_path: Path, state: StateFolder, other: PoolStatus
) -> None:
    service = Service(tmp_path)
    service.others = [other]
    lines = run(service, state, stop_at="stop it with")
    assert "qwen3-8b is not served, the others are: answers 404" in lines
    assert any("ready after" in line for line in lines)


def test_a_pool_that_comes_later_is_told(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path)
    service.others = [PoolStatus(ModelName("qwen3-8b"), Phase.FETCHING, note="full", held=True)]

    def mend(now: float) -> bool:
        service.others = [PoolStatus(ModelName("qwen3-8b"), Phase.READY)]
        return False

    service.gateway.restart_if_due = mend
    lines = run(service, state, stop_at="is ready, too")
    assert "qwen3-8b is ready, too" in lines


def test_it_can_be_stopped_while_it_starts(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path, phase=Phase.STARTING)
    lines = run(service, state, stop_at=Phase.STARTING)
    assert not any("ready after" in line for line in lines)
    assert (service.ended, state.load()) == (1, None)


def test_what_cannot_start_here_starts_nothing(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path)
    service.problem = NotReady("port 8000 is taken")
    lines = Lines()
    with pytest.raises(NotReady):
        Supervisor(service, state, lines).run()  # type: ignore[arg-type]  # as far as it goes
    assert (service.starts, service.ended, state.load()) == (0, 0, None)
    assert lines == []  # nothing is stopped that has not started
    assert service.ray.forgotten


def test_without_its_head_it_ends(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path)

    def lose_ray(now: float) -> bool:
        service.ray.exit_code = 1
        return False

    service.gateway.restart_if_due = lose_ray
    with pytest.raises(StartFailed, match="Ray ended"):
        run(service, state)
    assert service.ended == 1


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(None, "has taken over", id="it does"),
        pytest.param("the new gateway ended with 2", "ended with 2", id="it fails"),
    ],
)
def test_another_gateway_takes_over_when_somebody_asks_for_it(
    tmp_path: Path, state: StateFolder, failure: str | None, told: str
) -> None:
    service = Service(tmp_path)
    service.hand_over = lambda now, is_over: failure  # type: ignore[attr-defined]
    service.gateway.restart_if_due = lambda now: signal.raise_signal(ANOTHER_GATEWAY)
    lines = run(service, state, stop_at=told)
    assert sum(told in line for line in lines) == 1


@pytest.mark.parametrize("loses_ray", [False, True], ids=["it is told to stop", "Ray ends"])
def test_while_another_gateway_comes_it_hears_of_its_end(
    tmp_path: Path, state: StateFolder, loses_ray: bool
) -> None:
    service, heard = Service(tmp_path), []

    def hand_over(now: float, is_over: Callable[[], bool]) -> str:
        heard.append(is_over())
        if loses_ray:
            service.ray.exit_code = 1
        else:
            signal.raise_signal(signal.SIGTERM)
        heard.append(is_over())
        return "the service ends"

    service.hand_over = hand_over  # type: ignore[attr-defined]
    service.gateway.restart_if_due = lambda now: signal.raise_signal(ANOTHER_GATEWAY)
    with pytest.raises(StartFailed) if loses_ray else nullcontext():
        run(service, state)
    assert heard == [False, True]
    assert service.ended == 1


def test_a_gateway_that_was_started_again_is_told(tmp_path: Path, state: StateFolder) -> None:
    service = Service(tmp_path)
    restarts = iter([True])
    service.gateway.restart_if_due = lambda now: next(restarts, False)
    lines = run(service, state, stop_at="started again")
    assert any("started again" in line for line in lines)
