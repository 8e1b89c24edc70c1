"""In which order a running service is changed, and what is left of it when that fails; with a Ray
and a supervisor that only say what each test wants them to say."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.config import Cluster
from deploy.local import rollout
from deploy.local.changes import changes
from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.report import PlainReport
from deploy.local.rest import RayRefused
from deploy.local.rollout import NotApplied, Rollout, alone
from deploy.local.service import as_file
from deploy.local.state import Running, StateFolder

DENSE, MOE = "pocket-dense", "pocket-moe"
RUNNING = Running(ProcessId(1, 1.0), "ready", "http://gateway", "http://ray", Ports(*range(10)), "")


def cluster(*models: str, **changes: Any) -> Cluster:
    return Cluster.model_validate(
        {
            "gpus": {"cpu": {"kind": "cpu", "perNode": 2}},
            "models": {name: {"on": "cpu"} for name in models},
            **changes,
        }
    )


class World:
    """Keeps what is done to it, in order."""

    def __init__(self, state: StateFolder, *, fails: str = "", no_gateway: str = "") -> None:
        self.done: list[str] = []
        self._state = state
        self._fails, self._no_gateway = fails, no_gateway
        self._told: list[str] = []
        self.texts: list[Mapping[str, Any]] = []

    def deploy(self, config: Mapping[str, Any]) -> None:
        if self._fails == "refused":
            raise RayRefused("400: no")
        self.texts.append(config)
        self._told = [app["name"] for app in config["applications"]]
        self.done.append(f"pools {' '.join(self._told)}")

    def applications(self) -> dict[str, Any]:
        status = {
            name: "DEPLOY_FAILED" if name == self._fails else "RUNNING" for name in self._told
        }
        return {"applications": {name: {"status": said} for name, said in status.items()}}

    def offered(self) -> frozenset[str]:
        return frozenset(self._told or (DENSE, MOE))

    def another_gateway(self) -> None:
        self.done.append("gateway")
        running = self._state.load()
        assert running is not None
        self._state.save(
            replace(
                running,
                handovers=running.handovers + 1,
                handover_failed=self._no_gateway or None,
            )
        )


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    found = StateFolder(tmp_path / "state")
    found.lock()
    found.save(RUNNING)
    return found


def run(
    state: StateFolder, old: Cluster, new: Cluster, *, cpus: int = 9, world: World | None = None
) -> tuple[list[str], str | None]:
    """What was done, and why it failed."""
    world = world or World(state)
    state.write(state.cluster_file, as_file(old))
    found = Rollout(
        state,
        old,
        new,
        ray=world,
        another_gateway=world.another_gateway,
        offered=world.offered,
        report=PlainReport(lambda text: None),
    )
    try:
        found.run(changes(old, new, cpus=cpus))
    except NotApplied as error:
        return world.done, str(error)
    assert state.cluster_file.read_text() == as_file(new)
    assert not state.applying_file.exists()
    return world.done, None


@pytest.mark.parametrize(
    ("new", "cpus", "done"),
    [
        pytest.param(
            cluster(DENSE, models={DENSE: {"on": "cpu", "env": {"A": "1"}}}),
            9,
            [f"pools {DENSE}"],
            id="an engine",
        ),
        pytest.param(cluster(DENSE, router={"fast": DENSE}), 9, ["gateway"], id="the gateway"),
        pytest.param(
            cluster(DENSE, MOE),
            9,
            [f"pools {DENSE} {MOE}", "gateway"],
            id="one comes, and is ready",
        ),
        pytest.param(
            cluster(MOE),
            9,
            [f"pools {MOE} {DENSE}", "gateway", f"pools {MOE}"],
            id="one comes, then one goes",
        ),
        pytest.param(cluster(MOE), 1, ["gateway", f"pools {MOE}"], id="one comes where one goes"),
        pytest.param(
            cluster(DENSE, models={DENSE: {"on": "cpu", "env": {"A": "1"}, "holdFor": "9s"}}),
            1,
            ["gateway", f"pools {DENSE}"],
            id="one is away, of which the gateway is to know more",
        ),
        pytest.param(
            cluster(DENSE, models={DENSE: {"on": "cpu", "env": {"A": "1"}, "holdFor": "9s"}}),
            9,
            [f"pools {DENSE}", "gateway"],
            id="one is never away",
        ),
    ],
)
def test_nobody_is_sent_where_nothing_answers(
    state: StateFolder, new: Cluster, cpus: int, done: list[str]
) -> None:
    assert run(state, cluster(DENSE), new, cpus=cpus) == (done, None)


def told(text: Mapping[str, Any]) -> dict[str, tuple[str | None, bool]]:
    """Of each pool the variable A of its environment, and whether the next one comes first."""
    return {
        app["name"]: (
            app["runtime_env"]["env_vars"].get("A"),
            "max_surge_percent" in app["deployments"][0],
        )
        for app in text["applications"]
    }


def both(per_node: int, **env: str) -> Cluster:
    models = {DENSE: {"on": "cpu", "env": env, "instead": MOE}, MOE: {"on": "cpu", "env": env}}
    return cluster(models=models, gpus={"cpu": {"kind": "cpu", "perNode": per_node}})


@pytest.mark.parametrize(
    ("per_node", "surges"),
    [pytest.param(2, False, id="no room"), pytest.param(3, True, id="room")],
)
def test_one_pool_after_the_other_where_one_stands_in_or_both_need_the_room(
    state: StateFolder, per_node: int, surges: bool
) -> None:
    world = World(state)
    run(state, both(per_node), both(per_node, A="1"), world=world)
    assert list(map(told, world.texts)) == [
        {DENSE: ("1", surges), MOE: (None, surges)},
        {DENSE: ("1", surges), MOE: ("1", surges)},
    ]


@pytest.mark.parametrize(
    ("new", "fails", "done", "says"),
    [
        pytest.param(
            cluster(DENSE, MOE),
            {"fails": MOE},
            [f"pools {DENSE} {MOE}", f"pools {DENSE}"],
            "runs as it did before",
            id="a pool does not come up",
        ),
        pytest.param(
            cluster(DENSE, MOE),
            {"no_gateway": "it ended with 2"},
            [f"pools {DENSE} {MOE}", "gateway", f"pools {DENSE}"],
            "ended with 2\nthe service runs as it did before",
            id="a gateway does not",
        ),
        pytest.param(
            cluster(DENSE, MOE),
            {"fails": "refused"},
            [],
            "400: no\nthe service runs as it did before",
            id="Ray refuses it",
        ),
    ],
)
def test_what_fails_puts_back_what_ran(
    state: StateFolder, new: Cluster, fails: dict[str, str], done: list[str], says: str
) -> None:
    found, why = run(state, cluster(DENSE), new, world=World(state, **fails))
    assert found == done
    assert why is not None
    assert says in why
    assert state.cluster_file.read_text() == as_file(cluster(DENSE))
    assert not state.applying_file.exists()


def test_what_cannot_be_put_back_is_told_and_remembered(state: StateFolder) -> None:
    world = World(state, fails=DENSE)
    _, why = run(state, cluster(DENSE), cluster(DENSE, MOE), world=world)
    assert why is not None
    assert "could not be put back: pocket-dense failed" in why
    assert state.applying_file.exists()


def test_a_service_that_ends_meanwhile_is_not_waited_for(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "TICK_S", 0.01)
    world = World(state)
    found = Rollout(
        state,
        cluster(DENSE),
        cluster(DENSE, router={"fast": DENSE}),
        ray=world,
        another_gateway=state.clear,
        offered=world.offered,
        report=PlainReport(lambda text: None),
    )
    with pytest.raises(NotApplied, match="has ended"):
        found.run(changes(cluster(DENSE), cluster(DENSE, router={"fast": DENSE}), cpus=9))


def test_two_do_not_change_it_at_once(state: StateFolder) -> None:
    with alone(state), pytest.raises(NotApplied, match="another"), alone(state):
        pass
