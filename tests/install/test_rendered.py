"""What the chart renders, held against Kubernetes' schemas and against what it promises."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart.cuts import CACHE
from serving.pools.gangs import HOOK
from tests.e2e.two_nodes import PATIENCE
from tests.install.conftest import needed
from tests.install.helm import CHART, PROFILES, Helm, Manifest, Refused, of_kind, pods, ray_groups
from tests.install.schemas import builtin_problems, custom_problems

DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
PROFILE = {path.stem: path for path in PROFILES}
ALL: Manifest = {
    "gateway": {"maxReplicas": 4},
    "images": {"registry": "registry.example.org/ai", "pullSecrets": ["registry"]},
    "secrets": {"hub": "hub"},
    "head": {"state": {"redis": {"address": "redis://redis:6379", "secret": "redis"}}},
    "expose": {
        "ingress": {"host": "llm.example.org", "tlsSecret": "llm", "className": "nginx"},
        "route": {"host": "llm.example.org", "gateway": "edge"},
    },
    "network": {"clients": ["ingress-nginx"]},
    "monitoring": {"labels": {"release": "prometheus"}},
    "tracing": {"endpoint": "http://collector.monitoring:4317", "sample": 0.1},
    "volume": {"size": "600Gi", "storageClass": "shared", "env": {"HTTPS_PROXY": "http://p:1"}},
}
"""Whatever can be turned on."""

Rendered = list[Manifest]
each_profile = pytest.mark.parametrize("profile", PROFILE)


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> dict[str, Rendered]:
    """Of every profile as it is, and with everything turned on."""
    bare = {name: helm.template(path) for name, path in PROFILE.items()}
    return bare | {f"{name}, all": helm.template(path, ALL) for name, path in PROFILE.items()}


@pytest.mark.parametrize("release", ["1.30", "1.37"])
def test_kubernetes_knows_every_key(
    rendered: dict[str, Rendered], release: str, tmp_path: Path
) -> None:
    python = needed("helm", "python") / "python"
    every = [found for manifests in rendered.values() for found in manifests]
    assert builtin_problems(every, release, python, tmp_path) == ""


def test_kuberay_and_prometheus_operator_know_every_key(rendered: dict[str, Rendered]) -> None:
    crds = needed("helm", "crds") / "crds"
    for manifests in rendered.values():
        assert of_kind(manifests, "RayService")
        assert custom_problems(manifests, crds) == []


@each_profile
def test_every_container_is_restricted_and_cannot_write_to_its_image(
    rendered: dict[str, Rendered], profile: str
) -> None:
    """Pod Security Standards, "restricted"."""
    for name, pod in pods(rendered[f"{profile}, all"]).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "limits" in container["resources"], name


def test_only_workers_of_a_group_with_rdma_may_pin_memory(helm: Helm) -> None:
    given = {"gpus": {"h100x8": {"network": {"rdma": ["mlx5_0"]}}}}
    found = pods(helm.template(PROFILE["h100x8x2"], given))
    adds = {
        name: pod["containers"][0]["securityContext"]["capabilities"].get("add")
        for name, pod in found.items()
        if name.startswith("RayService")
    }
    assert adds == {
        "RayService/test-bifocal-h100x8/head": None,
        "RayService/test-bifocal-h100x8/h100x8": ["IPC_LOCK"],
    }


@pytest.mark.parametrize("longest", ["1s", "90s", "10m", "1h", "1.5h", "2d"])
def test_whatever_could_cut_an_answer_waits_longer_than_what_it_waits_for(
    helm: Helm, longest: str
) -> None:
    few = {"outputTokens": {"plain": 1, "thinking": 1}}
    slo = {mode: {"ttft": "1ms", "tpot": "1ms"} for mode in ("plain", "thinking")}
    given = {"longestAnswer": longest, "gateway": {"limits": few}, "slo": slo}
    found = helm.template(PROFILE["pocket"], ALL, given)
    (service,) = of_kind(found, "RayService")
    (ingress,) = of_kind(found, "Ingress")
    (route,) = of_kind(found, "HTTPRoute")
    (gateway,) = of_kind(found, "Deployment")
    gateway_pod = gateway["spec"]["template"]["spec"]
    ray_pods = [group["template"]["spec"] for group in ray_groups(service)]
    waits = ingress["metadata"]["annotations"]
    leave = int(gateway_pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1])
    answer = {
        deployment["graceful_shutdown_timeout_s"]
        for application in json.loads(service["spec"]["serveConfigV2"])["applications"]
        for deployment in application["deployments"]
    }
    assert answer == {seconds(longest)}
    proxies = {
        int(waits["nginx.ingress.kubernetes.io/proxy-read-timeout"]),
        *(int(value[:-1]) for value in route["spec"]["rules"][0]["timeouts"].values()),
    }
    head, *workers = (int(variables(pod)[DRAIN]) for pod in ray_pods)
    assert head == 0
    assert "deploy.chart.last" in str(ray_pods[0]["containers"][0]["lifecycle"]["preStop"])
    drains = set(workers)
    graces = {pod["terminationGracePeriodSeconds"] for pod in ray_pods}
    deletion = service["spec"]["rayClusterDeletionDelaySeconds"]
    assert max(answer) < min(proxies) <= max(proxies) < min(drains)
    assert max(drains) < min(graces) <= max(graces) < deletion
    assert gateway_pod["terminationGracePeriodSeconds"] > max(proxies) + leave


def seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    return float(text[:-1]) * units[text[-1]]


def variables(pod: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}


def test_only_the_gateway_reaches_the_replicas(rendered: dict[str, Rendered]) -> None:
    found = {
        policy["metadata"]["name"].removeprefix("test-bifocal-"): policy["spec"]
        for policy in of_kind(rendered["mixed, all"], "NetworkPolicy")
    }
    callers: dict[str, set[str]] = {}
    for rule in found["pools"]["ingress"]:
        for peer in rule["from"]:
            ports = {
                range(p["port"], p.get("endPort", p["port"]) + 1) for p in rule.get("ports", ())
            }
            for port in (30_000, 31_000, 8265, 6379, 10_001, 52_365, 8080):
                if not ports or any(port in each for each in ports):
                    callers.setdefault(str(port), set()).add(_who(peer))
    assert callers == {
        "30000": {"pools", "gateway"},
        "31000": {"pools", "gateway"},
        "8265": {"pools", "gateway", "kuberay-system"},
        "6379": {"pools"},
        "10001": {"pools"},
        "52365": {"pools", "kuberay-system"},
        "8080": {"pools", "monitoring"},
    }
    assert all(sorted(spec["policyTypes"]) == ["Egress", "Ingress"] for spec in found.values())


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
def test_gateway_and_pools_reach_the_collector_if_there_is_one(
    rendered: dict[str, Rendered], on: bool
) -> None:
    way = {"ports": [{"protocol": "TCP", "port": 4317}]}
    policies = of_kind(rendered[f"mixed{', all' if on else ''}"], "NetworkPolicy")
    may = {each["metadata"]["name"] for each in policies if way in each["spec"]["egress"]}
    assert may == ({"test-bifocal-gateway", "test-bifocal-pools"} if on else set())


def _who(peer: dict[str, Any]) -> str:
    kind, selector = next(iter(peer.items()))
    labels: dict[str, str] = selector["matchLabels"]
    key = "app.kubernetes.io/component" if kind == "podSelector" else "kubernetes.io/metadata.name"
    return labels[key]


@each_profile
def test_every_pod_has_a_policy(rendered: dict[str, Rendered], profile: str) -> None:
    """One, and no policy is for nobody."""
    manifests = rendered[f"{profile}, all"]
    policies = of_kind(manifests, "NetworkPolicy")
    guards = {
        name: [
            policy["metadata"]["name"]
            for policy in policies
            if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        for name, labels in labels_of_pods(manifests).items()
    }
    assert guards.keys() == pods(manifests).keys()
    assert {name for name, found in guards.items() if len(found) != 1} == set()
    used = {name for found in guards.values() for name in found}
    pocket = set() if "weights" in str(used) else {"test-bifocal-weights"}
    assert {policy["metadata"]["name"] for policy in policies} == used | pocket


def labels_of_pods(manifests: Rendered) -> dict[str, dict[str, str]]:
    """As `pods` names them."""
    found = {}
    for each in manifests:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            found[name] = each["metadata"]["labels"]
        elif each["kind"] in ("Deployment", "Job", "StatefulSet"):
            found[name] = each["spec"]["template"]["metadata"]["labels"]
        elif each["kind"] == "RayService":
            for group in ray_groups(each):
                labels = group["template"]["metadata"]["labels"]
                found[f"{name}/{group.get('groupName', 'head')}"] = labels
    return found


MIRROR = "https://hub.example.org:8443/models"
ELSEWHERE = {"models": {"qwen3-8b": {"source": "https://other.example.org:9443/qwen3-8b"}}}
PLAIN = {"models": {"qwen3-8b": {"source": f"http://other.example.org/qwen3-8b@{'0' * 64}"}}}


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        pytest.param({}, {443}, id="a hub"),
        pytest.param({"weights": {"address": MIRROR}}, {443, 8443}, id="a mirror"),
        pytest.param(ELSEWHERE, {443, 9443}, id="a source"),
        pytest.param(PLAIN, {443, 80}, id="a source without a port"),
        pytest.param(
            {"volume": {"env": {"HTTPS_PROXY": "http://p:3128"}}}, {443, 3128}, id="proxy"
        ),
        pytest.param({"volume": {"env": {"HF_HUB_VERBOSITY": "info"}}}, {443}, id="no address"),
        pytest.param({"network": {"weightsPorts": [3129]}}, {3129}, id="as they are named"),
    ],
)
def test_what_pulls_weights_reaches_the_ports_that_the_values_name(
    helm: Helm, given: Manifest, ports: set[int]
) -> None:
    found = helm.template(PROFILE["mixed"], given)
    for part in ("pools", "weights"):
        opened = [rule for rule in egress_of(found, part) if "ipBlock" in str(rule.get("to"))]
        assert [{port["port"] for port in rule["ports"]} for rule in opened] == [ports], part


@pytest.mark.parametrize("port", [6379, 6380])
def test_pools_reach_the_port_of_their_redis(helm: Helm, port: int) -> None:
    given = {"head": {"state": {"redis": {"address": f"rediss://r.example.org:{port}"}}}}
    way = {"ports": [{"protocol": "TCP", "port": port}]}
    assert way in egress_of(helm.template(PROFILE["mixed"], given), "pools")


def test_dns_may_be_on_each_node(helm: Helm) -> None:
    """NodeLocal DNSCache is no pod of a namespace."""
    rendered = helm.template(PROFILE["mixed"], {"network": {"dnsAt": ["169.254.20.10/32"]}})
    for policy in of_kind(rendered, "NetworkPolicy"):
        dns = policy["spec"]["egress"][0]
        assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in dns["to"]


def test_names_that_look_like_something_else_stay_names(helm: Helm) -> None:
    given = {
        "expose": {"ingress": {"host": "*.example.org", "tlsSecret": "tls"}},
        "network": {"clients": ["123"]},
    }
    rendered = helm.template(PROFILE["mixed"], given)
    (ingress,) = of_kind(rendered, "Ingress")
    assert ingress["spec"]["rules"][0]["host"] == "*.example.org"
    assert ingress["spec"]["tls"][0]["hosts"] == ["*.example.org"]


def test_the_test_reaches_the_gateway_alone(rendered: dict[str, Rendered]) -> None:
    """Its pod holds the key of an administrator."""
    dns, gateway = egress_of(rendered["mixed, all"], "test")
    assert {port["port"] for port in dns["ports"]} == {53, 5353}
    assert [_who(peer) for peer in gateway["to"]] == ["gateway"]
    assert gateway["ports"] == [{"protocol": "TCP", "port": 8000}]


def egress_of(manifests: Rendered, part: str) -> list[Manifest]:
    (policy,) = (
        each
        for each in of_kind(manifests, "NetworkPolicy")
        if each["metadata"]["name"] == f"test-bifocal-{part}"
    )
    rules: list[Manifest] = policy["spec"]["egress"]
    return rules


def test_no_secret_stands_in_what_is_rendered(rendered: dict[str, Rendered]) -> None:
    for manifests in rendered.values():
        for secret in of_kind(manifests, "Secret"):
            assert not {"data", "stringData"} & secret.keys()


@each_profile
def test_a_head_misses_a_node_as_soon_as_was_measured_and_lets_gangs_finish(
    rendered: dict[str, Rendered], profile: str
) -> None:
    for name, pod in pods(rendered[profile]).items():
        if name.startswith("RayService"):
            env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
            assert (PATIENCE.items() <= env.items()) is name.endswith("/head"), name
            assert HOOK.items() <= env.items(), name


@each_profile
def test_what_an_engine_compiles_stays_where_its_weights_do(
    rendered: dict[str, Rendered], profile: str
) -> None:
    found = [*pods(rendered[profile]).items(), *pods(rendered[f"{profile}, all"]).items()]
    engines = [(name, pod) for name, pod in found if name.startswith("RayService")]
    assert engines
    for name, pod in engines:
        volumes = {each["name"]: each for each in pod["volumes"]}
        (mount,) = (
            each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == CACHE
        )
        stay = "persistentVolumeClaim" in volumes["weights"]
        assert (mount["name"], mount.get("subPath")) == (
            ("weights", ".cache") if stay else ("cache", None)
        ), name


def test_the_same_values_render_the_same(helm: Helm) -> None:
    """So that Argo CD and Flux see no drift."""
    assert helm.template(PROFILE["mixed"], ALL) == helm.template(PROFILE["mixed"], ALL)


PINNED: Manifest = {"images": {name: {"name": "i", "tag": "0.1.0"} for name in ("gpu", "cpu")}}


@pytest.mark.parametrize("pinned", [False, True], ids=["as it comes", "tags that stay"])
def test_another_release_of_the_chart_is_another_cluster_unless_the_tags_stay(
    helm: Helm, tmp_path: Path, pinned: bool
) -> None:
    """Its pools' images are the release's; all else in pods of Ray's has no version in it."""
    next_chart = tmp_path / "bifocal"
    shutil.copytree(CHART, next_chart)
    told = yaml.safe_load((next_chart / "Chart.yaml").read_text())
    told |= {"version": "0.9.9", "appVersion": "0.9.9"}
    (next_chart / "Chart.yaml").write_text(yaml.safe_dump(told))
    given = PINNED if pinned else {}
    here, there = (
        of_kind(helm.template(PROFILE["mixed"], given, chart=chart), "RayService")
        for chart in (CHART, next_chart)
    )
    assert here
    assert [each["metadata"]["labels"]["helm.sh/chart"] for each in there] == [
        "bifocal-0.9.9"
    ] * len(here)
    for old, new in zip(here, there, strict=True):
        assert (_mark(old) == _mark(new)) is pinned
        assert (ray_groups(old) == ray_groups(new)) is pinned


def _mark(service: Manifest) -> str:
    """The cluster that is meant."""
    mark: str = service["metadata"]["annotations"]["bifocal/cluster"]
    return mark


TWINS: Manifest = {
    "models": {
        name: {"on": "l40s", "like": "qwen3-4b", "source": "hf://we/ours"}
        for name in ("support-assistant-a", "support-assistant-b")
    },
    "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}},
    "volume": {"size": "10Gi"},
}


def test_pools_of_one_beginning_and_one_source_have_jobs_of_their_own(helm: Helm) -> None:
    names = [job["metadata"]["name"] for job in of_kind(helm.template(TWINS), "Job")]
    assert sum("weights-support-assista" in name for name in names) == 2
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"volume": {"env": {"HTTPS_PROXY": "http://p:1"}}}, id="a variable"),
        pytest.param({"volume": {"claim": "ours"}}, id="another claim"),
        pytest.param({"secrets": {"hub": "hub"}}, id="a token"),
        pytest.param({"weights": {"folder": "/models"}}, id="another folder"),
        pytest.param({"images": {"pullPolicy": "Always"}}, id="how images are pulled"),
        pytest.param({"images": {"pullSecrets": ["registry"]}}, id="who may pull images"),
        pytest.param({"images": {"registry": "registry.example.org"}}, id="another registry"),
        pytest.param({"models": {"qwen3-8b": {"revision": "v2"}}}, id="other weights"),
        pytest.param({"longestAnswer": "2h"}, id="another cluster"),
    ],
)
def test_a_job_that_changes_is_another_job(helm: Helm, given: Manifest) -> None:
    """Kubernetes refuses to change one, and with it the whole upgrade."""
    before, after = (
        {job["metadata"]["name"]: job["spec"] for job in of_kind(found, "Job")}
        for found in (helm.template(PROFILE["mixed"]), helm.template(PROFILE["mixed"], given))
    )
    assert before.keys() != after.keys()
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def test_a_change_of_a_pool_edits_its_own_text_and_the_gateways_alone(helm: Helm) -> None:
    before = helm.template(PROFILE["mixed"])
    after = helm.template(PROFILE["mixed"], {"models": {"qwen3-8b": {"replicas": 2}}})
    assert set(_differences(before, after)) == {
        ("ConfigMap", "test-bifocal-gateway"),
        ("Deployment", "test-bifocal-gateway"),
        ("RayService", "test-bifocal-l40s"),
    }
    (old, new) = (
        next(s for s in of_kind(each, "RayService") if s["metadata"]["name"].endswith("l40s"))
        for each in (before, after)
    )
    assert old["spec"].pop("serveConfigV2") != new["spec"].pop("serveConfigV2")
    assert old == new


def _differences(before: Rendered, after: Rendered) -> list[tuple[str, str]]:
    def by_name(manifests: Rendered) -> dict[tuple[str, str], Manifest]:
        return {(m["kind"], m["metadata"]["name"]): m for m in manifests}

    old, new = by_name(before), by_name(after)
    return [key for key in old | new if old.get(key) != new.get(key)]


def test_a_replica_that_spans_nodes_has_them_as_one_group(helm: Helm) -> None:
    (service,) = of_kind(helm.template(PROFILE["h100x8x2"]), "RayService")
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["replicas"], group["numOfHosts"]) == (1, 2)
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"


def test_ranks_on_cpus_of_several_nodes_stand_on_what_ray_takes_for_gpus(helm: Helm) -> None:
    cut = {
        "of": "pocket-moe bf16 cpu 2x2, context 0, replicas 1, alone, data 1, expert false, "
        "pipeline 2, tensor 2",
        "layout": {"pipeline": 2, "tensor": 2},
        "stuckAfter": 60,
    }
    given = {
        "gpus": {"cpu": {"kind": "cpu", "perNode": 2, "nodes": 2}},
        "models": {"pocket-moe": {"on": "cpu", "layout": {"pipeline": 2, "tensor": 2}}},
        "layouts": {"pocket-moe": cut},
    }
    (service,) = of_kind(helm.template(given), "RayService")
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["numOfHosts"], group["rayStartParams"]["num-gpus"]) == (2, "2")
    assert group["rayStartParams"]["num-cpus"] == "5"


def test_the_longest_names_are_names_for_kuberay(helm: Helm) -> None:
    """It takes RayServices of at most 47 characters (`MaxRayServiceNameLength`)."""
    group = "a" + "b" * 17
    given = {"gpus": {group: {"kind": "cpu"}}, "models": {"pocket-moe": {"on": group}}}
    found = helm.template(given, name="r" * 53)
    (service,) = of_kind(found, "RayService")
    assert len(service["metadata"]["name"]) <= 47
    assert all(len(each["metadata"]["name"]) <= 63 for each in found)


def test_releases_whose_names_begin_alike_have_objects_of_their_own(helm: Helm) -> None:
    names = [
        {
            (each["kind"], each["metadata"]["name"])
            for each in helm.template(PROFILE["mixed"], name=name)
        }
        for name in ("llm-production-team-a-eu", "llm-production-team-a-us")
    ]
    assert set.isdisjoint(*names)


def test_a_head_has_no_gpu_and_no_engine(rendered: dict[str, Rendered]) -> None:
    for service in of_kind(rendered["mixed"], "RayService"):
        head, *_ = ray_groups(service)
        assert head["rayStartParams"]["num-cpus"] == "0"
        assert head["rayStartParams"]["num-gpus"] == "0"
        limits = head["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert "nvidia.com/gpu" not in limits


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"modles": {}}, "modles", id="a misspelt key"),
        pytest.param({"gpus": {"cpu": {"perNodes": 2}}}, "perNodes", id="a misspelt key inside"),
        pytest.param({"longestAnswer": 3600}, "longestAnswer", id="a number without a unit"),
        pytest.param(
            {"models": {"pocket-moe": {"replicas": {"min": 3, "max": 2}}}},
            "models.pocket-moe.replicas: min is above max",
            id="bounds the wrong way round",
        ),
        pytest.param(
            {"router": {"fast": "qwen3-8b"}},
            'router.fast: found "qwen3-8b"; allowed: pocket-dense, pocket-moe',
            id="a router to nowhere",
        ),
        pytest.param(
            {"longestAnswer": "40m"},
            "found 2400 s; 38912 tokens of gateway.limits.outputTokens.thinking take 3115.96 s",
            id="answers longer than the longest",
        ),
        pytest.param({"models": {"pocket-dense": {"replicas": 0}}}, "replicas", id="no replica"),
        pytest.param({"gpus": {"Big_One": {"kind": "cpu"}}}, "Big_One", id="no name for an object"),
        pytest.param(
            {"models": {"pocket-dense": {"engine": {"api_key": "x"}}}}, "api_key", id="an argument"
        ),
        pytest.param({"models": {"auto": {"on": "cpu"}}}, "auto", id="a virtual model's name"),
        pytest.param(
            {"models": {"qwen3-9b": {"on": "cpu"}}},
            "qwen3-9b is not in the catalog; allowed: pocket-dense",
            id="an unknown model",
        ),
        pytest.param(
            {"models": {"pocket-dense": {"on": "gpu"}}},
            'models.pocket-dense.on: found "gpu"; allowed: cpu',
            id="an unknown group",
        ),
        pytest.param(
            {
                "gpus": {"one": {"kind": "h100-80g"}},
                "models": {"qwen3-235b-a22b": {"on": "one", "precision": "fp8"}},
            },
            "220.2 GiB of weights",
            id="what does not fit",
        ),
        pytest.param(
            {
                "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}},
                "models": {
                    "qwen3-8b": {"on": "l40s", "replicas": 2},
                    "qwen3-4b": {"on": "l40s", "replicas": 2},
                },
            },
            "gpus.l40s: its models need 4 GPUs (qwen3-4b 2 x 1, qwen3-8b 2 x 1); it has 3",
            id="more GPUs than there are",
        ),
        pytest.param(
            {
                "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}},
                "models": {"qwen3-8b": {"on": "l40s", "replicas": 4}},
            },
            "models.qwen3-8b.replicas: found 4; l40s holds at most 3",
            id="more replicas than there is room for",
        ),
        pytest.param(
            {
                "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 7}},
                "models": {"qwen3-8b": {"on": "l40s"}},
            },
            "bifocal plan --values",
            id="GPUs that the table lacks",
        ),
        pytest.param(
            {"models": {"pocket-dense": {"source": "./mine"}}},
            "name it from /",
            id="a relative folder",
        ),
        pytest.param(
            {
                "models": {"pocket-dense": {"context": 1024}},
                "layouts": {
                    "pocket-dense": {"of": "something else", "layout": {}, "stuckAfter": 60}
                },
            },
            "was planned for something else",
            id="a plan of other values",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_found_and_what_to_do(
    helm: Helm, given: Manifest, told: str
) -> None:
    with pytest.raises(Refused) as refused:
        helm.template(PROFILE["pocket"], given)
    assert told in str(refused.value)
