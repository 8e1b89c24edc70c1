"""Which Ray cluster a RayService means: its mark is another one exactly where KubeRay's hash is, so
that `renew` ends a cluster where KubeRay would build one, and no other.
"""

from copy import deepcopy
from typing import Any

import pytest

from deploy.diff.kuberay import Cluster, becomes
from tests.e2e.two_nodes import RECONNECT
from tests.install.helm import PROFILES, Helm, Manifest, of_kind, ray_groups

MIXED = next(path for path in PROFILES if path.stem == "mixed")
MARK = "bifocal/cluster"


def gpus(name: str, **more: Any) -> Manifest:
    return {"gpus": {name: more}}


ANOTHER: dict[str, Manifest] = {
    "an image": {"images": {"gpu": {"tag": "2"}}},
    "a registry": {"images": {"registry": "registry.example.org"}},
    "a pod's size": gpus("l40s", resources={"cpu": "9", "memory": "90Gi"}),
    "where it may stand": gpus("l40s", nodeSelector={"zone": "a"}),
    "labels": gpus("l40s", labels={"a": "b"}),
    "the longest answer": {"longestAnswer": "2h"},
    "a volume": {"volume": {"claim": "mine"}},
    "a head's size": {"head": {"resources": {"cpu": "3", "memory": "9Gi"}}},
    "a head without a volume": {"head": {"state": {"keep": False}}},
    "a head in a Redis": {"head": {"state": {"redis": {"address": "redis://a:6379"}}}},
    "another Secret of tokens": {"secrets": {"tokens": "mine"}},
}
SAME: dict[str, Manifest] = {
    "nothing": {},
    "nodes": gpus("l40s", nodes=4),
    "tolerations": gpus("l40s", tolerations=[{"key": "spot"}]),
    "a head's tolerations": {"head": {"tolerations": [{"key": "spot"}]}},
    "the strategy": gpus("l40s", upgrade={"strategy": "blueGreen"}),
    "a pool": {"models": {"qwen3-8b": {"replicas": 2}}},
    "an engine": {"models": {"qwen3-8b": {"engine": {"max_num_seqs": 8}}}},
    "the gateway": {"gateway": {"replicas": 3}},
    "the size of the head's volume": {"head": {"state": {"size": "2Gi"}}},
    "the gateway's image": {"images": {"gateway": {"tag": "2"}}},
}


def service(manifests: list[Manifest]) -> Manifest:
    found = of_kind(manifests, "RayService")
    return next(each for each in found if each["metadata"]["name"].endswith("l40s"))


@pytest.fixture(scope="module")
def before(helm: Helm) -> list[Manifest]:
    return helm.template(MIXED)


@pytest.mark.parametrize("name", [*ANOTHER, *SAME])
def test_the_mark_is_another_where_the_cluster_is(
    helm: Helm, before: list[Manifest], name: str
) -> None:
    old = deepcopy(service(before))
    new = service(helm.template(MIXED, {**ANOTHER, **SAME}[name]))
    marks = {each["metadata"]["annotations"][MARK] for each in (old, new)}
    expected = Cluster.ANOTHER if name in ANOTHER else Cluster.SAME
    assert becomes(*(each["spec"]["rayClusterConfig"] for each in (old, new))) is expected
    assert (len(marks) == 2) == (name in ANOTHER)


def test_a_head_keeps_its_state_in_a_folder_of_its_cluster(before: list[Manifest]) -> None:
    """On a volume of its group, which no upgrade takes away while a head of before still has it."""
    rendered = before
    claims = {claim["metadata"]["name"] for claim in of_kind(rendered, "PersistentVolumeClaim")}
    for each in of_kind(rendered, "RayService"):
        head, workers = (group["template"]["spec"] for group in ray_groups(each))
        (state,) = [volume for volume in head["volumes"] if volume["name"] == "state"]
        claim = state["persistentVolumeClaim"]["claimName"]
        assert claim in claims
        assert claim == f"{each['metadata']['name']}-state"
        (container,) = head["containers"]
        (folder,) = [m["subPathExpr"] for m in container["volumeMounts"] if m["name"] == "state"]
        assert folder == "$(RAY_CLUSTER_NAME)", "KubeRay gives the variable to every container"
        (near,) = head["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        labels = ray_groups(each)[0]["template"]["metadata"]["labels"]
        (head_of,) = near["labelSelector"]["matchLabels"].items()
        assert head_of == ("bifocal/head", each["metadata"]["name"])
        assert head_of in labels.items(), "so does the head of the cluster before"
        places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert variables(head)["RAY_gcs_storage"] == "rocksdb"
        assert variables(head)["RAY_gcs_storage_path"] == places["state"]
        assert RECONNECT.items() <= variables(workers).items()
        assert "RAY_gcs_storage" not in variables(workers)


@pytest.mark.parametrize("state", [{"keep": False}, {"redis": {"address": "redis://a:6379"}}])
def test_without_a_volume_there_is_none(helm: Helm, state: Manifest) -> None:
    rendered = helm.template(MIXED, {"head": {"state": state}})
    assert {claim["metadata"]["name"] for claim in of_kind(rendered, "PersistentVolumeClaim")} == {
        "test-bifocal-weights"
    }
    head, *_ = ray_groups(service(rendered))
    assert "RAY_gcs_storage" not in variables(head["template"]["spec"])
    assert ("redis" in state) == (
        "gcsFaultToleranceOptions" in service(rendered)["spec"]["rayClusterConfig"]
    )


def variables(pod: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("strategy", "nodes", "pods"), [("recreate", 4, 4), ("blueGreen", 4, 3), ("blueGreen", 3, 3)]
)
def test_a_group_for_blue_green_leaves_the_nodes_free_that_its_pools_do_not_take(
    helm: Helm, strategy: str, nodes: int, pods: int
) -> None:
    """Two replicas at most of the one, and one of the other."""
    given = gpus("l40s", nodes=nodes, upgrade={"strategy": strategy})
    rendered = helm.template(MIXED, given)
    (group,) = service(rendered)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert group["replicas"] == pods
    budgets = of_kind(rendered, "PodDisruptionBudget")
    (budget,) = [each for each in budgets if each["metadata"]["name"].endswith("l40s")]
    assert budget["spec"]["minAvailable"] == pods - 1, "or nobody could ever drain a node"
