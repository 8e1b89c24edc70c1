"""Whether a Kubernetes cluster is fit, row by row."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.kube import Group, Kubernetes, Node, Operator, Pod, Secret, Wants
from deploy.doctor.kube_checks import MONITORS, of_cluster, version_of
from deploy.doctor.kube_things import of_release

H100 = Node("n1", labels={"gpu": "h100"}, gpus=8, disk=500 * 1024**3, behind_s=4.0)
TAINTED = replace(H100, name="n2", taints=(("nvidia.com/gpu", "present", "NoSchedule"),))
FIT = Kubernetes(
    version="v1.30.2",
    definitions={
        "rayclusters.ray.io": frozenset({"v1", "v1alpha1"}),
        "rayservices.ray.io": frozenset({"v1"}),
        **{kind: frozenset({"v1"}) for kind in MONITORS},
    },
    operators=(Operator("kuberay-system", "quay.io/kuberay/operator:v1.6.0", True),),
    nodes=(H100, TAINTED),
    classes={"fast": False, "standard": True},
    daemons=frozenset({"calico-node", "kube-proxy"}),
    secrets={
        "keys": Secret("Opaque", frozenset({"keys.yaml", "admin"})),
        "registry": Secret("kubernetes.io/dockerconfigjson", frozenset({".dockerconfigjson"})),
    },
    claims={"weights": "Bound"},
)
GROUP = Group("h100x8", {"gpu": "h100"}, nodes=2, gpus=8)
ASKED = Wants(
    groups=(GROUP,),
    operator="kuberay-system",
    monitoring=True,
    policies=True,
    classes=(None, "fast"),
    claims=("weights",),
    secrets={"keys": frozenset({"keys.yaml"})},
    keys="keys",
    pull_secrets=("registry",),
)


def findings(seen: Kubernetes = FIT, wants: Wants = ASKED) -> list[Finding]:
    return [*of_cluster(seen, wants), *of_release(seen, wants)]


def test_a_fit_cluster_passes_every_check() -> None:
    assert {each.verdict for each in findings()} == {Verdict.OK}, findings()
    checks = {each.check for each in findings()}
    assert {"kubernetes", "KubeRay", "CRDs", "monitors", "nodes", "gpus.h100x8", "clock"} <= checks
    assert {"policies", "storage", "secrets", "pull secrets"} <= checks


def node(**changes: Any) -> dict[str, Any]:
    return {"nodes": (replace(H100, **changes), TAINTED)}


@pytest.mark.parametrize(
    ("check", "there", "verdict", "says"),
    [
        pytest.param("kubernetes", {"version": "v1.19.3"}, "fail", "1.20 or later", id="too old"),
        pytest.param("kubernetes", {"version": "v1.20.2"}, "warn", "1.25", id="old"),
        pytest.param(
            "CRDs",
            {"definitions": {}},
            "fail",
            "kuberay-operator-installation.html",
            id="no KubeRay",
        ),
        pytest.param(
            "CRDs",
            {"definitions": {**FIT.definitions, "rayservices.ray.io": frozenset({"v1alpha1"})}},
            "fail",
            "rayservices.ray.io",
            id="old CRDs",
        ),
        pytest.param("KubeRay", {"operators": ()}, "fail", "no operator runs", id="no operator"),
        pytest.param(
            "KubeRay",
            {"operators": (Operator("kuberay-system", "kuberay/operator:v1.3.2", True),)},
            "fail",
            "1.6 or later",
            id="an old operator",
        ),
        pytest.param(
            "KubeRay",
            {"operators": (Operator("kuberay-system", "kuberay/operator:nightly", True),)},
            "warn",
            "its tag does not tell",
            id="an operator of no version",
        ),
        pytest.param(
            "KubeRay",
            {"operators": (Operator("kuberay-system", "kuberay/operator:v1.6.0", False),)},
            "fail",
            "not ready",
            id="an operator that is down",
        ),
        pytest.param(
            "monitors",
            {"definitions": {k: v for k, v in FIT.definitions.items() if "monitoring" not in k}},
            "warn",
            "monitoring.enabled: false",
            id="nobody scrapes",
        ),
        pytest.param("nodes", node(ready=False), "fail", "describe node n1", id="a node is away"),
        pytest.param("disk", node(pressures=("DiskPressure",)), "fail", "make room", id="disk"),
        pytest.param("gpus.h100x8", node(gpus=4), "fail", "n1: 4 GPUs", id="fewer GPUs"),
        pytest.param("gpus.h100x8", node(gpus=0), "fail", "device plugin", id="no plug-in"),
        pytest.param("gpus.h100x8", node(cordoned=True), "fail", "cordoned", id="cordoned"),
        pytest.param(
            "gpus.h100x8",
            node(taints=(("team", "a", "NoSchedule"),)),
            "fail",
            "taint team=a:NoSchedule",
            id="a taint",
        ),
        pytest.param(
            "gpus.h100x8", node(labels={}), "fail", "1 are there", id="a node without its label"
        ),
        pytest.param("gpus.h100x8", {"nodes": ()}, "fail", "no node has gpu=h100", id="no node"),
        pytest.param("clock", node(behind_s=-30.0), "fail", "30 s before", id="a clock ahead"),
        pytest.param("clock", node(behind_s=90.0), "warn", "90 s old", id="a clock behind"),
        pytest.param(
            "policies",
            {"daemons": frozenset({"kube-flannel-ds"})},
            "warn",
            "kube-flannel-ds alone does not",
            id="nobody keeps policies",
        ),
        pytest.param("policies", {"daemons": frozenset()}, "warn", "no network", id="who knows"),
        pytest.param(
            "storage", {"classes": {"fast": False}}, "fail", "volume.storageClass", id="no default"
        ),
        pytest.param(
            "storage", {"classes": {"standard": True}}, "fail", "no storage class fast", id="class"
        ),
        pytest.param("claims", {"claims": {}}, "fail", "weights is not there", id="no claim"),
        pytest.param(
            "claims", {"claims": {"weights": "Pending"}}, "warn", "Pending", id="a claim waits"
        ),
        pytest.param(
            "secrets", {"secrets": {}}, "fail", "create secret generic keys", id="no secret"
        ),
        pytest.param(
            "secrets",
            {"secrets": {**FIT.secrets, "keys": Secret("Opaque", frozenset({"admin"}))}},
            "fail",
            """kubectl patch secret keys --patch '{"stringData": {"keys.yaml":""",
            id="a secret lacks an entry",
        ),
        pytest.param(
            "secrets",
            {"secrets": {**FIT.secrets, "keys": Secret("Opaque", frozenset({"keys.yaml"}))}},
            "warn",
            "keys has no admin, the operator's key of `helm test`",
            id="nobody's key in plain text",
        ),
        pytest.param(
            "pull secrets",
            {"secrets": {**FIT.secrets, "registry": Secret("Opaque", frozenset())}},
            "fail",
            "docker-registry",
            id="a pull secret of another type",
        ),
        pytest.param(
            "pods",
            {"pods": (Pod("head", "ray: ImagePullBackOff"),)},
            "fail",
            "images.registry",
            id="an image that cannot be pulled",
        ),
        pytest.param(
            "pods",
            {"pods": (Pod("w", "Unschedulable: 0/3 nodes: Insufficient nvidia.com/gpu"),)},
            "fail",
            "nodes lack what it asks for",
            id="no room",
        ),
        pytest.param(
            "nodes", {"unseen": {"nodes": "nodes is forbidden"}}, "warn", "may look", id="no right"
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    check: str, there: dict[str, Any], verdict: str, says: str
) -> None:
    found = [each for each in findings(replace(FIT, **there)) if each.check == check]
    bad = [each for each in found if each.verdict is not Verdict.OK]
    assert {each.verdict for each in bad} == {verdict}
    assert says in " ".join(f"{each.seen} {each.remedy}" for each in bad)
    assert all(each.remedy for each in bad), "each says what to do"


def test_a_group_tolerates_what_its_values_say() -> None:
    tainted = replace(FIT, **node(taints=(("team", "a", "NoSchedule"),)))
    tolerant = replace(GROUP, tolerated=(("team", "", ""),))
    wants = replace(ASKED, groups=(tolerant,))
    (found,) = (each for each in findings(tainted, wants) if each.check == "gpus.h100x8")
    assert found.verdict is Verdict.OK


def test_policies_for_an_operator_elsewhere_are_told() -> None:
    wants = replace(ASKED, operator="ray-system")
    bad = [each for each in findings(wants=wants) if each.verdict is Verdict.FAIL]
    assert [each.remedy for each in bad] == ["set network.operator: kuberay-system"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.30.2", (1, 30)),
        ("v1.30.2-eks-1234", (1, 30)),
        ("quay.io/kuberay/operator:v1.6.0", (1, 6)),
        ("registry:5000/kuberay/operator:1.7.1", (1, 7)),
        ("registry.example.org/operator:nightly", None),
        ("registry.example.org/operator@sha256:" + "0" * 64, None),
    ],
)
def test_versions(text: str, version: tuple[int, int] | None) -> None:
    assert version_of(text) == version
