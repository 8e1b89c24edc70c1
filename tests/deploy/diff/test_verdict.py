"""What `bifocal diff` says of each change, as a table: what, how, and for how long it is away."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.diff.change import Change, Kind
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


def compared(before: list[Edit], after: list[Edit]) -> tuple[Change, ...]:
    """Two releases that are one but for their edits."""
    old, new = Release(), Release()
    for release, edits in ((old, before), (new, after)):
        for edit in edits:
            edit(release)
    return changes(old.read, new.read)


def sequences(release: Release) -> None:
    release.applications["qwen3-8b"]["args"]["engine"]["max_num_seqs"] = 64


def revision(release: Release) -> None:
    release.applications["qwen3-8b"]["args"]["weights"] = {"source": "hf://Qwen/Qwen3-8B@v2"}


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


def moved(release: Release) -> None:
    release.beside("l4", "qwen3-8b")


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
        pytest.param(
            [],
            [moved],
            {("group l4", Kind.MADE, 0), ("pool qwen3-8b", Kind.MOVED, 103)},
            id="a pool in another group",
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
    found = compared(before, after)
    assert {(each.what, each.kind, each.away_s) for each in found} == expected
    assert not is_refused(found)


def stand_in(release: Release) -> None:
    release.file["models"]["qwen3-8b"]["instead"] = "qwen3-0.6b"


def sequences_of_the_other(release: Release) -> None:
    release.applications["qwen3-0.6b"]["args"]["engine"]["max_num_seqs"] = 64


def small_is_elsewhere(release: Release) -> None:
    release.beside("l4", "qwen3-0.6b")


def both_are_elsewhere(release: Release) -> None:
    release.beside("l4", "qwen3-8b", "qwen3-0.6b")


def without_what_is_elsewhere(release: Release) -> None:
    del release.file["models"]["qwen3-0.6b"], release.applications["qwen3-0.6b"]


def renamed(release: Release) -> None:
    release.file["gpus"] = {"ada": release.file["gpus"].pop("l40s")}
    for model in release.file["models"].values():
        model["on"] = "ada"
    release.workers["groupName"] = "ada"


def at_targets(release: Release) -> None:
    del release.applications["qwen3-0.6b"]
    release.file["models"]["qwen3-0.6b"]["targets"] = ["http://10.0.0.1:8000"]


def by_ingress(*hosts: str) -> Edit:
    def edit(release: Release) -> None:
        rules = [{"host": host} for host in hosts]
        release.more.append({**named("Ingress", "llm", "gateway"), "spec": {"rules": rules}})

    return edit


def by_route(release: Release) -> None:
    release.more.append({**named("HTTPRoute", "llm", "gateway"), "spec": {"hostnames": ["a.org"]}})


def service_of_type(kind: str) -> Edit:
    def edit(release: Release) -> None:
        release.more.append({**named("Service", "llm", "gateway"), "spec": {"type": kind}})

    return edit


def callers(*namespaces: str) -> Edit:
    def edit(release: Release) -> None:
        label = "kubernetes.io/metadata.name"
        peers = [{"namespaceSelector": {"matchLabels": {label: name}}} for name in namespaces]
        rule = {"from": peers} if peers else {}
        policy = named("NetworkPolicy", "llm-gateway", "gateway")
        release.more.append({**policy, "spec": {"ingress": [rule]}})

    return edit


def thinks_for_it(release: Release) -> None:
    """It is never away, and knows only one mode."""
    kind = {"like": "qwen3-4b-thinking-2507", "source": "me/mine", "targets": ["http://a:1"]}
    release.file["models"]["thinker"] = {"on": "l40s", **kind}
    release.file["models"]["qwen3-8b"]["instead"] = "thinker"


SMALL, LARGE = "pool qwen3-0.6b", "pool qwen3-8b"


@pytest.mark.parametrize(
    ("before", "after", "left", "told"),
    [
        pytest.param([], [without_a_pool], {SMALL}, "who asks for it is told 404", id="deleted"),
        pytest.param([], [sequences], {LARGE}, "for which there is no room", id="announced"),
        pytest.param([], [revision], {LARGE}, "15 GiB, are pulled in that time", id="weights"),
        pytest.param(
            [stand_in], [stand_in, sequences], set(), "is answered by qwen3-0.6b", id="a stand-in"
        ),
        pytest.param(
            [],
            [stand_in, sequences],
            {LARGE},
            "is told 503 with Retry-After",
            id="a stand-in that gateways of before do not know",
        ),
        pytest.param(
            [stand_in],
            [stand_in, sequences, sequences_of_the_other],
            {LARGE, SMALL},
            "is told 503 with Retry-After",
            id="a stand-in that is away, too",
        ),
        pytest.param([surge], [surge, sequences], set(), "no request is lost", id="surge"),
        pytest.param([replicas(2)], [replicas(2), sequences], set(), "others answer", id="two"),
        pytest.param([], [image], {"group l40s"}, "away for about 103 s", id="recreate"),
        pytest.param(
            [],
            [image, without_a_pool],
            {"group l40s", SMALL},
            "pools qwen3-8b: answers under way",
            id="recreate without a pool that was",
        ),
        pytest.param(
            [small_is_elsewhere, stand_in],
            [small_is_elsewhere, stand_in, image],
            set(),
            "is answered by qwen3-0.6b (qwen3-8b)",
            id="recreate with a stand-in in another group",
        ),
        pytest.param(
            [], [renamed], {LARGE, SMALL}, "once those under way in l40s have", id="renamed"
        ),
        pytest.param(
            [small_is_elsewhere],
            [without_what_is_elsewhere],
            {SMALL},
            "is taken away, with pools qwen3-0.6b",
            id="deleted with its group",
        ),
        pytest.param(
            [], [moved], {LARGE}, "from group l40s to group l4: it leaves the one", id="moved"
        ),
        pytest.param(
            [small_is_elsewhere],
            [image, both_are_elsewhere],
            {"group l4", LARGE},
            "once those under way in l4 have finished, within 3630 s",
            id="moved into a group that is recreated",
        ),
        pytest.param(
            [stand_in], [stand_in, moved], set(), "Who asks meanwhile is answered by", id="covered"
        ),
        pytest.param([], [at_targets], set(), "answered by its targets", id="to targets"),
        pytest.param([at_targets], [], {SMALL}, "from its targets to group l40s", id="of targets"),
        pytest.param(
            [by_ingress("a.org")], [], {"host a.org"}, "finds nobody any more", id="no way in"
        ),
        pytest.param(
            [by_ingress("a.org")], [by_ingress("b.org")], {"host a.org"}, "", id="another host"
        ),
        pytest.param([by_ingress("a.org")], [by_route], set(), "", id="a route for an ingress"),
        pytest.param(
            [service_of_type("LoadBalancer")],
            [service_of_type("ClusterIP")],
            {"way in by llm"},
            "from LoadBalancer to ClusterIP",
            id="no way in by the Service",
        ),
        pytest.param(
            [service_of_type("LoadBalancer")],
            [service_of_type("NodePort")],
            {"way in by llm"},
            "from LoadBalancer to NodePort",
            id="without its balancer",
        ),
        pytest.param([callers()], [callers("a")], {"way in"}, "from anywhere", id="callers named"),
        pytest.param(
            [callers("a", "b")], [callers("b")], {"way in"}, "from a: nobody", id="one caller less"
        ),
        pytest.param([callers("a")], [callers("a", "b")], set(), "", id="callers more"),
        pytest.param(
            [thinks_for_it],
            [thinks_for_it, sequences],
            {LARGE},
            "is answered by thinker",
            id="a stand-in of one mode",
        ),
        pytest.param(
            [service_of_type("ClusterIP")],
            [service_of_type("NodePort")],
            set(),
            "",
            id="a way in more",
        ),
    ],
)  # fmt: skip
def test_who_is_left_without_an_answer(
    before: list[Edit], after: list[Edit], left: set[str], told: str
) -> None:
    found = compared(before, after)
    assert {each.what for each in found if each.left} == left
    assert told in " ".join(each.says for each in found)
    assert is_away(found) == bool(left)


def giant(replicas: int, nodes: int, **layout: int) -> Edit:
    """The 235B alone on the group, cut so."""

    def edit(release: Release) -> None:
        name = "qwen3-235b-a22b"
        model = {"on": "l40s", "precision": "fp8", "replicas": replicas, "layout": layout}
        release.file["gpus"]["l40s"] = {"kind": "h200-141g", "perNode": 8, "nodes": nodes}
        release.file["models"] = {name: model}
        release.applications = {name: application(name)}
        sizes = {f"{key}_parallel_size": size for key, size in layout.items()}
        release.applications[name]["args"]["engine"] |= sizes

    return edit


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            giant(1, 1, tensor=8), giant(2, 1, tensor=4), "of 8 (gpus.l40s) those of before have 8"
        ),
        pytest.param(giant(1, 2, tensor=8), giant(2, 2, tensor=4), "", id="with room"),
        pytest.param(giant(2, 1, tensor=4), giant(1, 1, tensor=8), "", id="fewer"),
        pytest.param(
            giant(1, 1, tensor=4, data=2), giant(2, 1, tensor=4), "a replica had 2 and has now 1"
        ),
    ],
)
def test_replicas_that_are_cut_otherwise_must_find_room(
    before: Edit, after: Edit, told: str
) -> None:
    (change,) = [each for each in compared([before], [after]) if each.what.startswith("pool")]
    assert (change.kind is Kind.REFUSED) == bool(told)
    assert told in change.says


def cut(tensor: int, pipeline: int = 1) -> Edit:
    def edit(release: Release) -> None:
        sizes = {"tensor_parallel_size": tensor, "pipeline_parallel_size": pipeline}
        release.applications["qwen3-8b"]["args"]["engine"] |= sizes

    return edit


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            [cut(1)],
            [cut(1, 3)],
            "layout: TP 1 -> PP 3 (models.qwen3-8b.layout: {tensor: 1} keeps the first)",
            id="of a pool",
        ),
        pytest.param(
            [cut(2, 2)],
            [cut(8), image],
            "pool qwen3-8b: layout: TP 2, PP 2 -> TP 8 (models.qwen3-8b.layout: {tensor: 2, "
            "pipeline: 2} keeps the first)",
            id="with its cluster",
        ),
    ],
)
def test_another_layout_is_told_with_what_keeps_the_first(
    before: list[Edit], after: list[Edit], expected: str
) -> None:
    (change,) = compared(before, after)
    assert change.because[-1] == expected


def scaled(release: Release) -> None:
    del release.gateway["replicas"]
    spec = {"minReplicas": 2, "maxReplicas": 4}
    release.more.append({**named("HorizontalPodAutoscaler", "llm", "gateway"), "spec": spec})


def test_gateways_that_are_scaled_from_now_on_are_one_for_a_while() -> None:
    old, new = Release(), Release()
    scaled(new)
    (change, _) = changes(old.read, new.read)
    told = "from 2 pods to 1 for some 15 s, until the autoscaler looks, then 2 to 4"
    assert change.says.startswith(told)


def test_where_one_runs_of_several_the_next_is_up_before_it_leaves() -> None:
    old, new = Release(), Release()
    old.file["models"]["qwen3-8b"]["replicas"] = {"min": 1, "max": 2}
    replicas(2)(new)
    sequences(new)
    change = changes(old.read, new.read)[0]
    assert change.kind is Kind.ONE_AT_A_TIME
    assert "from 1 to 2 replicas to 2 replicas, one at a time; where one runs alone" in change.says


def test_pools_of_a_cluster_that_is_recreated_are_told_with_it() -> None:
    old, new = Release(), Release()
    for edit in (image, sequences, instead):
        edit(new)
    (change,) = [each for each in changes(old.read, new.read) if each.what != "gateway"]
    assert change.kind is Kind.RECREATE
    assert change.drains_s == 3630
    assert change.because == ("workerGroupSpecs[l40s].template.spec.containers[ray].image",)
    assert "waits up to 20 s and then is told 503 with Retry-After (qwen3-8b)" in change.says
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
        ("pool qwen3-8b", Kind.MOVED),
        ("pool qwen3-0.6b", Kind.MOVED),
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
