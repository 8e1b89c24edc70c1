"""How a running Ray cluster is brought to what its RayService says, as timelines: what others do at
which second, what is told, what is asked for. `tests/install/test_renew` has a real API server."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from deploy.chart import renew as job
from deploy.chart.renew import (
    APPLIED_WITHIN_S,
    CLUSTERS,
    LOOKS_EVERY_S,
    MARK,
    PODS,
    SERVICES,
    NotApplied,
    Wanted,
    renew,
)
from tests.deploy.chart.objects import Act, Objects, Timeline

NAME, RUNNING = "llm-cpu", "llm-cpu-abcde"
OLD, NEW, ANOTHER = "01d", "4e3", "0fe"
WANTED = Wanted(NAME, NEW, pods=2, answers_s=3630, start_s=70, recreate=True)


class Release(Objects):
    """With a RayService and the cluster that runs of it."""

    def applied(self, mark: str, active: str = RUNNING) -> None:
        status = {"activeServiceStatus": {"rayClusterName": active}}
        self.put(SERVICES, NAME, metadata={"annotations": {MARK: mark}}, status=status)

    def runs(self, mark: str, pods: int = 2, **metadata: Any) -> None:
        sizes = {"replicas": pods, "minReplicas": pods, "maxReplicas": pods}
        spec = {"workerGroupSpecs": [{"groupName": "cpu", **sizes}]}
        self.put(CLUSTERS, RUNNING, metadata={"annotations": {MARK: mark}, **metadata}, spec=spec)
        for index in range(pods):
            self.pod(f"{RUNNING}-worker-{index}", RUNNING, "worker")
        self.pod(f"{RUNNING}-head", RUNNING, "head")
        self.pod("another-worker-0", "another", "worker")

    def pod(self, name: str, cluster: str, kind: str) -> None:
        labels = {"ray.io/cluster": cluster, "ray.io/node-type": kind}
        self.put(PODS, name, metadata={"labels": labels})

    def without(self, kind: str, name: str) -> Act:
        def act() -> None:
            del self.there[kind, name]

        return act

    @property
    def group(self) -> Any:
        (found,) = self.there[CLUSTERS, RUNNING]["spec"]["workerGroupSpecs"]
        return found

    def apply(self, mark: str) -> Act:
        return lambda: self.applied(mark)


@pytest.fixture
def release() -> Release:
    return Release()


def told(release: Release, wanted: Wanted = WANTED, time: Timeline | None = None) -> list[str]:
    return list(renew(release, wanted, (time or Timeline()).clock))


def test_a_cluster_that_is_behind_drains_and_goes(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD)
    time = Timeline(
        (100, release.without(PODS, f"{RUNNING}-worker-0")),
        (150, release.without(PODS, f"{RUNNING}-worker-1")),
        (170, release.without(CLUSTERS, RUNNING)),
    )
    lines = told(release, time=time)
    assert lines == [
        f"{RUNNING}: recreated: answers under way finish, within 3630 s; then its pools are away "
        "for about 70 s",
        f"{RUNNING}: drains: 2 left",
        f"{RUNNING}: drains: 2 left",
        f"{RUNNING}: drains: 1 left",
        f"{RUNNING}: drained in 150 s",
        f"{RUNNING}: is taken away: 1 left",
        f"{RUNNING}: gone after 170 s; KubeRay builds the next, whose pools answer in about 70 s",
    ]
    assert release.asked == [f"PATCH {RUNNING}", f"DELETE {RUNNING}"]


def test_a_worker_of_a_lost_node_is_not_waited_for_without_end(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD)
    gone_at = WANTED.answers_s + 100
    lines = told(release, time=Timeline((gone_at, release.without(CLUSTERS, RUNNING))))
    assert any("2 workers that do not go" in line for line in lines)
    assert release.asked == [f"PATCH {RUNNING}", f"DELETE {RUNNING}"]


def test_a_rollback_while_it_drains_keeps_the_cluster(release: Release) -> None:
    """Its own Job brings the workers back; this one may be at work for a while."""
    release.applied(NEW)
    release.runs(OLD)
    workers = [release.without(PODS, f"{RUNNING}-worker-{index}") for index in range(2)]
    time = Timeline((100, release.apply(OLD)), (101, workers[0]), (101, workers[1]))
    assert "no longer wanted" in told(release, time=time)[-1]
    assert release.asked == [f"PATCH {RUNNING}"]


def test_its_workers_leave_while_its_head_stays(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD)
    steps = renew(release, WANTED, Timeline().clock)
    for _ in range(3):
        next(steps)
    assert {release.group[key] for key in ("minReplicas", "replicas", "maxReplicas")} == {0}
    assert release.asked == [f"PATCH {RUNNING}"], "not deleted while workers are there"


def test_a_restart_while_it_is_deleted_only_waits(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD, deletionTimestamp="now")
    lines = told(release, time=Timeline((30, release.without(CLUSTERS, RUNNING))))
    assert "gone after 30 s" in lines[-1]
    assert release.asked == []


def test_a_restart_after_the_drain_deletes(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD, pods=0)
    told(release, time=Timeline((4, release.without(CLUSTERS, RUNNING))))
    assert release.asked == [f"PATCH {RUNNING}", f"DELETE {RUNNING}"]


def test_a_cluster_that_someone_else_took_away_is_not_deleted_again(release: Release) -> None:
    release.applied(NEW)
    release.runs(OLD, pods=1)
    time = Timeline(
        (10, release.without(CLUSTERS, RUNNING)),
        (12, release.without(PODS, f"{RUNNING}-worker-0")),
    )
    assert "gone after 12 s" in told(release, time=time)[-1]
    assert release.asked == [f"PATCH {RUNNING}"]


@pytest.mark.parametrize(
    ("mark", "pods", "wanted", "said", "asked"),
    [
        pytest.param(NEW, 2, WANTED, "as it should be", [], id="what is wanted"),
        pytest.param(NEW, 1, WANTED, "from 1 to 2 of its group", ["PATCH"], id="too few pods"),
        pytest.param(NEW, 3, WANTED, "finishes its answers", ["PATCH"], id="too many"),
        pytest.param(
            OLD,
            1,
            replace(WANTED, recreate=False),
            "the next cluster beside",
            [],
            id="blueGreen: KubeRay's own",
        ),
        pytest.param(
            NEW,
            1,
            replace(WANTED, recreate=False),
            "from 1 to 2",
            ["PATCH"],
            id="its number of pods",
        ),
    ],
)
def test_what_is_done_to_a_cluster_that_stays(
    release: Release, mark: str, pods: int, wanted: Wanted, said: str, asked: list[str]
) -> None:
    release.applied(NEW)
    release.runs(mark, pods)
    (line,) = told(release, wanted)
    assert said in line
    assert release.asked == [f"{verb} {RUNNING}" for verb in asked]
    assert release.group["replicas"] == (2 if asked else pods)


def test_where_no_cluster_runs_kuberay_builds_it(release: Release) -> None:
    release.applied(NEW)
    (line,) = told(release)
    assert "KubeRay builds it" in line


def test_a_cluster_that_is_still_built_is_behind_too(release: Release) -> None:
    release.runs(OLD, pods=0)
    status = {"pendingServiceStatus": {"rayClusterName": RUNNING}}
    release.put(SERVICES, NAME, metadata={"annotations": {MARK: NEW}}, status=status)
    told(release, time=Timeline((4, release.without(CLUSTERS, RUNNING))))
    assert f"DELETE {RUNNING}" in release.asked


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(OLD, NEW, id="changed"),
        pytest.param(None, NEW, id="made"),
        pytest.param("", NEW, id="had no mark"),
    ],
)
def test_a_rayservice_that_comes_late_is_waited_for(
    release: Release, first: str | None, then: str
) -> None:
    if first is not None:
        release.applied(first)
    release.runs(NEW)
    time = Timeline((APPLIED_WITHIN_S - LOOKS_EVERY_S, release.apply(then)))
    assert told(release, time=time) == [f"{RUNNING}: as it should be"]


@pytest.mark.parametrize(
    ("first", "found"),
    [
        pytest.param(OLD, f"its {MARK} is '{OLD}'", id="unchanged"),
        pytest.param("", f"its {MARK} is ''", id="without a mark"),
        pytest.param(None, "it is not there", id="absent"),
    ],
)
def test_a_rayservice_that_stays_as_it_was_is_an_error(
    release: Release, first: str | None, found: str
) -> None:
    if first is not None:
        release.applied(first)
    release.runs(OLD)
    time = Timeline()
    with pytest.raises(NotApplied) as late:
        told(release, time=time)
    assert f"{NAME}: after 300 s {found}, and '{NEW}' is wanted" in str(late.value)
    assert (time.now, release.asked) == (APPLIED_WITHIN_S, [])


@pytest.mark.parametrize("first", [OLD, None], ids=["another was there", "none was there"])
def test_a_third_mark_is_another_releases(release: Release, first: str | None) -> None:
    if first is not None:
        release.applied(first)
    release.runs(OLD)
    (line,) = told(release, time=Timeline((60, release.apply(ANOTHER))))
    assert "another release has come since" in line
    assert release.asked == []


def test_a_rayservice_that_goes_is_no_other_release(release: Release) -> None:
    release.applied(OLD)
    with pytest.raises(NotApplied, match="it is not there"):
        told(release, time=Timeline((60, release.without(SERVICES, NAME))))


COMMAND = ["--service", NAME, "--cluster", NEW, "--pods", "2", "--answers", "3630", "--start", "70"]


@pytest.mark.parametrize(
    ("mark", "refused", "code", "said"),
    [
        pytest.param(NEW, [], 0, "", id="done"),
        pytest.param(OLD, [], 1, "NotApplied: llm-cpu: after 300 s", id="never applied"),
        pytest.param(NEW, [403], 1, "Refused: GET", id="not allowed"),
    ],
)
def test_the_job_ends_well_only_with_its_work_done(
    release: Release,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mark: str,
    refused: list[int],
    code: int,
    said: str,
) -> None:
    class Here:
        here = staticmethod(lambda _account, _variables: release)

    release.applied(mark)
    release.runs(mark)
    release.refusals["GET"] = refused
    monkeypatch.setattr(job, "Api", Here)
    monkeypatch.setattr(job, "renew", partial(renew, clock=Timeline().clock))
    assert job.main([*COMMAND, "--recreate"]) == code
    assert capsys.readouterr().err.removeprefix("renew: ").startswith(said)
