"""What an operator makes of a RayService, in tables, and how a kubelet reads what it finds there.

The rows of `ray start` follow what KubeRay's own tests expect of it (ray-project/kuberay v1.7.0,
`ray-operator/controllers/ray/common/pod_test.go`) and its documentation of rayStartParams.
"""

import base64
from typing import Any

import pytest

from tests.install.helm import Helm, Manifest, of_kind
from tests.install.started import kuberay
from tests.install.started.probes import Probe, Seen
from tests.install.started.quantities import quantity
from tests.install.started.ray_start import HEAD, WORKER, start_command, start_params
from tests.install.started.variables import NotThere, environment, expanded
from tests.install.test_life import POCKET

ADDED = {
    HEAD: " --block  --dashboard-agent-listen-port=52365  --dashboard-host=0.0.0.0 ",
    WORKER: " --address=h:6379  --block  --dashboard-agent-listen-port=52365 ",
}
METRICS = " --metrics-export-port=8080 "


@pytest.mark.parametrize(
    ("kind", "given", "resources", "labels", "line"),
    [
        (HEAD, {}, {}, {}, f"ray start --head {ADDED[HEAD]}{METRICS}"),
        (WORKER, {}, {}, {}, f"ray start {ADDED[WORKER]}{METRICS}"),
        (
            HEAD,
            {"num-cpus": "0"},
            {"limits": {"cpu": "4"}},
            {},
            f"ray start --head {ADDED[HEAD]}{METRICS} --num-cpus=0 ",
        ),
        (
            WORKER,
            {},
            {"limits": {"memory": "2Gi", "nvidia.com/gpu": "8"}, "requests": {"cpu": "1500m"}},
            {},
            f"ray start {ADDED[WORKER]} --memory=2147483648 {METRICS} --num-cpus=2  --num-gpus=8 ",
        ),
        (
            WORKER,
            {"num-gpus": "1"},
            {"limits": {"nvidia.com/gpu": "8"}},
            {},
            f"ray start {ADDED[WORKER]}{METRICS} --num-gpus=1 ",
        ),
        (
            WORKER,
            {"metrics-export-port": "9", "address": "there:1", "include-log-monitor": "false"},
            {},
            {"zone": "b", "host": "a"},
            "ray start  --address=there:1  --block  --dashboard-agent-listen-port=52365 "
            " --include-log-monitor=false  --labels=host=a,zone=b  --metrics-export-port=9 ",
        ),
        (
            HEAD,
            {"disable-usage-stats": "true", "no-monitor": "false"},
            {},
            {},
            f"ray start --head {ADDED[HEAD]} --disable-usage-stats {METRICS}",
        ),
    ],
    ids=[
        "a head of nothing", "a worker of nothing", "the parameter wins over the limit",
        "from what the container has", "a GPU of its own", "labels, and an option with a value",
        "switches on and off",
    ],
)  # fmt: skip
def test_the_line_that_starts_ray(
    kind: str, given: dict[str, str], resources: Manifest, labels: dict[str, str], line: str
) -> None:
    container = {"resources": resources}
    params = start_params(kind, given, container=container, labels=labels, head="h")
    assert start_command(kind, params) == line


@pytest.fixture
def service(helm: Helm) -> Manifest:
    (found,) = of_kind(helm.template(POCKET), "RayService")
    found["metadata"]["namespace"] = "ns"
    return found


def test_the_pods_of_a_rayservice(service: Manifest) -> None:
    head, worker = kuberay.pods(service, "c")
    assert [head["metadata"]["generateName"], worker["metadata"]["generateName"]] == [
        "c-head-",
        "c-cpu-worker-",
    ]
    assert [init["name"] for init in worker["spec"]["initContainers"]] == ["wait-gcs-ready"]
    assert "initContainers" not in head["spec"]
    for pod, kind in ((head, HEAD), (worker, WORKER)):
        labels = pod["metadata"]["labels"]
        assert labels["ray.io/node-type"] == kind
        assert labels["app.kubernetes.io/component"] == "pools", "the chart's own stay"
        (container,) = pod["spec"]["containers"]
        assert container["args"][0].startswith("ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; ")
        assert {"name": "shared-mem", "mountPath": "/dev/shm"} in container["volumeMounts"]
    started = worker["spec"]["containers"][0]["args"][0]
    assert "--address=c-head-svc.ns.svc.cluster.local:6379" in started


def test_what_ray_is_told(service: Manifest) -> None:
    head, worker = (
        {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        for pod in kuberay.pods(service, "c")
    )
    assert head["RAY_ADDRESS"] == "127.0.0.1:6379"
    assert worker["RAY_ADDRESS"] == "c-head-svc.ns.svc.cluster.local:6379"
    assert (worker["RAY_IP"], worker["RAY_PORT"]) == ("c-head-svc", "6379")
    for env in (head, worker):
        assert env["RAY_AUTH_MODE"] == "token"
        assert env["RAY_AUTH_TOKEN"] is None, "it comes from the secret"
        assert env["RAY_SERVE_KV_TIMEOUT_S"] == "5"
        assert env["RAY_SERVE_ENABLE_DIRECT_INGRESS"] == "1", "what the chart says stays"


def test_both_names_of_the_head_lead_to_it(service: Manifest) -> None:
    head, _ = kuberay.pods(service, "c")
    services = kuberay.head_services(service, "c")
    assert [each["metadata"]["name"] for each in services] == [
        "c-head-svc",
        f"{service['metadata']['name']}-head-svc",
    ]
    for each in services:
        assert each["spec"]["selector"].items() <= head["metadata"]["labels"].items()
        assert {port["name"]: port["port"] for port in each["spec"]["ports"]}["dashboard"] == 8265


@pytest.mark.parametrize(
    ("kind", "given", "names"),
    [
        (HEAD, {}, {"livenessProbe", "readinessProbe"}),
        (WORKER, {"readinessProbe": {"exec": {}}}, {"livenessProbe"}),
        (WORKER, {"readinessProbe": {"exec": {}}, "livenessProbe": {"exec": {}}}, set()),
    ],
    ids=["none given", "one given", "both given"],
)
def test_probes_that_are_given_are_kept(kind: str, given: Manifest, names: set[str]) -> None:
    assert set(kuberay.probes(kind, given)) == names


def test_a_worker_without_probes_is_asked_for_serves_proxy() -> None:
    ports = [{"name": "serve", "containerPort": 8001}]
    ready = kuberay.probes(WORKER, {"ports": ports})["readinessProbe"]
    assert ready["failureThreshold"] == 1
    assert "localhost:8001/-/healthz" in ready["exec"]["command"][-1]
    assert kuberay.probes(HEAD, {})["readinessProbe"]["httpGet"]["port"] == 52365


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), (3, 3), ("500m", 1), ("8Gi", 8 << 30), ("1.5Gi", 3 << 29), ("1k", 1000)],
)
def test_quantities(text: str | int, number: int) -> None:
    assert quantity(text) == number


def _says(results: str, spec: dict[str, int], says: bool | None) -> str:
    """What a probe says after each of its results: + - or ? each."""
    seen, said = Seen.begun(Probe.of(spec), says=says, now=0.0), ""
    for index, result in enumerate(results):
        seen = seen.after(result == "+", float(index))
        said += {None: "?", True: "+", False: "-"}[seen.says]
    return said


@pytest.mark.parametrize(
    ("spec", "says", "results", "said"),
    [
        ({}, False, "--+--+---", "--++++++-"),
        ({"failureThreshold": 1}, False, "+-+", "+-+"),
        ({"successThreshold": 2}, False, "+-++", "---+"),
        ({"failureThreshold": 2}, True, "-+--", "+++-"),
        ({"failureThreshold": 3}, None, "--+", "??+"),
        ({"failureThreshold": 3}, None, "---", "??-"),
    ],
    ids=["ready by default", "at once", "twice for ready", "alive", "started", "never started"],
)
def test_thresholds(spec: dict[str, int], says: bool | None, results: str, said: str) -> None:
    assert _says(results, spec, says) == said


def test_a_probe_waits_and_comes_again() -> None:
    seen = Seen.begun(
        Probe.of({"initialDelaySeconds": 30, "periodSeconds": 5}), says=False, now=100.0
    )
    assert seen.due == 130.0
    assert seen.after(True, 131.0).due == 135.0
    assert seen.after(True, 150.0).due == 150.0, "what is late is not made up for"


SECRET = {"kind": "Secret", "data": {"k": base64.b64encode(b"hidden").decode()}}
POD = {"metadata": {"name": "p", "labels": {"a/b": "l"}}, "status": {"podIP": "1.2.3.4"}}


def _get(kind: str, name: str) -> Any:
    if (kind, name) == ("secrets", "s"):
        return SECRET
    if (kind, name) == ("configmaps", "c"):
        return {"kind": "ConfigMap", "data": {"FROM": "map"}}
    raise NotThere(name)


def test_variables_are_what_they_refer_to() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "env": [
            {"name": "A", "value": "x"},
            {"name": "B", "value": "$(A)-$(FROM)-$(NOBODY)-$$(A)"},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}},
            {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
    }
    assert environment(container, POD, _get) == {
        "FROM": "map", "A": "x", "B": "x-map-$(NOBODY)-$(A)", "C": "hidden", "D": "l",
        "E": "1.2.3.4",
    }  # fmt: skip
    assert expanded("$(A)", {"A": "$(B)", "B": "b"}) == "$(B)"


@pytest.mark.parametrize("ref", [{"name": "s", "key": "other"}, {"name": "t", "key": "k"}])
def test_a_pod_waits_for_its_secret(ref: dict[str, str]) -> None:
    container = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": ref}}]}
    with pytest.raises(NotThere):
        environment(container, POD, _get)
