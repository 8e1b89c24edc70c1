"""What `bifocal diff` says of each change, as a table: what, how, and for how long it is away."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.diff.change import Kind
from deploy.diff.rendered import rendered
from deploy.diff.verdict import changes, is_away, is_refused
from deploy.failure import Failure
from tests.deploy.diff.releases import Release, application, job, named

Edit = Callable[[Release], Any]


def image(release: Release) -> None:
    release.workers["template"]["spec"]["containers"][0]["image"] = "gpu:2"


def blue_green(release: Release) -> None:
    release.strategy = "NewCluster"


def replicas(number: int) -> Edit:
    def edit(release: Release) -> None:
        release.file["models"]["qwen3-8b"]["replicas"] = number
        release.applications["qwen3-8b"]["deployments"][0]["num_replicas"] = number

    return edit


def sequences(release: Release) -> None:
    release.applications["qwen3-8b"]["args"]["engine"]["max_num_seqs"] = 64


def surge(release: Release) -> None:
    release.applications["qwen3-8b"]["deployments"][0]["max_surge_percent"] = 1


def instead(release: Release) -> None:
    release.file["models"]["qwen3-8b"] |= {"instead": "qwen3-0.6b", "holdFor": "20s"}


def more_nodes(release: Release) -> None:
    release.workers["replicas"] = 3


def tolerations(release: Release) -> None:
    release.workers["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]


def another_pool(release: Release) -> None:
    release.file["models"]["qwen3-4b"] = {"on": "l40s"}
    release.applications["qwen3-4b"] = application("qwen3-4b")


def without_a_pool(release: Release) -> None:
    del release.file["models"]["qwen3-0.6b"], release.applications["qwen3-0.6b"]


def gateway_image(release: Release) -> None:
    release.gateway["template"]["spec"]["containers"][0]["image"] = "gateway:2"


def gateway_pods(release: Release) -> None:
    release.gateway["replicas"] = 5


def other_keys(release: Release) -> None:
    release.gateway["template"]["spec"]["volumes"][0]["secret"]["secretName"] = "mine"


def delay(release: Release) -> None:
    release.strategy = "None"
    release.more.append(named("NetworkPolicy", "llm-pools", "pools"))


def chart_version(release: Release) -> None:
    release.more.append(named("Service", "llm", "gateway"))
    release.more[-1]["metadata"]["labels"]["helm.sh/chart"] = "bifocal-0.2.0"


def old_service(release: Release) -> None:
    release.more.append(named("Service", "llm", "gateway"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([], [], set(), id="nothing"),
        pytest.param([], [image], {("group l40s", Kind.RECREATE, 103)}, id="an image"),
        pytest.param(
            [replicas(2)],
            [replicas(2), sequences],
            {("pool qwen3-8b", Kind.ONE_AT_A_TIME, 0)},
            id="an engine of two replicas",
        ),
        pytest.param(
            [surge], [surge, sequences], {("pool qwen3-8b", Kind.SURGE, 0)}, id="with room"
        ),
        pytest.param(
            [], [sequences], {("pool qwen3-8b", Kind.ANNOUNCED, 103)}, id="without room"
        ),
        pytest.param([], [replicas(2)], {("pool qwen3-8b", Kind.NUMBERS, 0)}, id="replicas"),
        pytest.param([], [surge], {("pool qwen3-8b", Kind.IN_PLACE, 0)}, id="how it is replaced"),
        pytest.param([], [more_nodes], {("group l40s", Kind.NUMBERS, 0)}, id="pods"),
        pytest.param([], [tolerations], {("group l40s", Kind.LATER, 0)}, id="tolerations"),
        pytest.param([], [blue_green], {("group l40s", Kind.IN_PLACE, 0)}, id="the strategy"),
        pytest.param([], [another_pool], {("pool qwen3-4b", Kind.MADE, 0)}, id="a pool more"),
        pytest.param(
            [], [without_a_pool], {("pool qwen3-0.6b", Kind.REMOVED, 0)}, id="a pool less"
        ),
        pytest.param([], [gateway_image], {("gateway", Kind.ROLLED, 0)}, id="the gateway's image"),
        pytest.param([], [gateway_pods], {("gateway", Kind.NUMBERS, 0)}, id="gateways"),
        pytest.param(
            [],
            [other_keys],
            {("gateway", Kind.ROLLED, 0), ("keys", Kind.READ_AGAIN, 0)},
            id="other keys",
        ),
        pytest.param([], [delay], {("NetworkPolicy llm-pools", Kind.MADE, 0)}, id="an object more"),
        pytest.param(
            [delay], [], {("NetworkPolicy llm-pools", Kind.REMOVED, 0)}, id="an object less"
        ),
        pytest.param([old_service], [chart_version], set(), id="the chart's version alone"),
    ],
)  # fmt: skip
def test_what_an_upgrade_does(
    before: list[Edit], after: list[Edit], expected: set[tuple[str, Kind, int]]
) -> None:
    old, new = Release(), Release()
    for edit in before:
        edit(old)
    for edit in after:
        edit(new)
    found = changes(old.read, new.read)
    assert {(each.what, each.kind, each.away_s) for each in found} == expected
    assert is_away(found) == any(seconds for _, _, seconds in expected)
    assert not is_refused(found)


def test_pools_of_a_cluster_that_is_recreated_are_told_with_it() -> None:
    old, new = Release(), Release()
    for edit in (image, sequences, instead):
        edit(new)
    (change,) = [each for each in changes(old.read, new.read) if each.what != "gateway"]
    assert change.kind is Kind.RECREATE
    assert change.drains_s == 3630
    assert change.because == ("workerGroupSpecs[l40s].template.spec.containers[ray].image",)
    assert "waits up to 20 s and then is answered by qwen3-0.6b (qwen3-8b)" in change.says
    assert "is told 503 with Retry-After otherwise" in change.says


@pytest.mark.parametrize(
    ("nodes", "pods", "refused", "told"),
    [
        (
            3,
            2,
            True,
            "and of 3 GPUs (gpus.l40s) the first has 2 GPUs (2 pods x 1), which leaves 1",
        ),
        (4, 2, False, "a second cluster needs 2 GPUs (2 pods x 1), and 2 are free"),
        (5, 2, False, "and 3 are free"),
        (2, 1, False, "and 1 are free"),
        (1, 1, True, "which leaves 0"),
    ],
)
def test_a_second_cluster_is_refused_where_its_gpus_are_not(
    nodes: int, pods: int, refused: bool, told: str
) -> None:
    old, new = Release(), Release()
    for release in (old, new):
        blue_green(release)
        release.workers["replicas"] = pods
        release.file["gpus"]["l40s"]["nodes"] = nodes
        del release.file["models"]["qwen3-0.6b"], release.applications["qwen3-0.6b"]
    image(new)
    found = changes(old.read, new.read)
    (change,) = found
    assert change.kind is (Kind.REFUSED if refused else Kind.BLUE_GREEN)
    assert told in change.says
    assert is_refused(found) == refused
    assert not is_away(found)


def test_a_group_comes_and_goes_with_its_pools() -> None:
    old, new = Release(), Release()
    new.file["gpus"] = {"l4": {"kind": "l4-24g", "nodes": 3}}
    for model in new.file["models"].values():
        model["on"] = "l4"
    new.workers["groupName"] = "l4"
    found = changes(old.read, new.read)
    assert {(each.what, each.kind) for each in found} == {
        ("group l40s", Kind.REMOVED),
        ("group l4", Kind.MADE),
    }


def test_weights_are_pulled_again_with_another_source() -> None:
    old, new = Release(), Release()
    old.more, new.more = [job("hf://a/b", "1")], [job("hf://a/c", "2")]
    (change,) = changes(old.read, new.read)
    assert (change.what, change.kind) == ("weights hf://a/c", Kind.PULLED)


@pytest.mark.parametrize("text", ["a: [", "a: b", "- 1", "kind: Secret\nmetadata: {name: a}"])
def test_what_is_no_release_of_the_chart_is_refused(text: str) -> None:
    with pytest.raises(Failure):
        rendered(text, "a file")
