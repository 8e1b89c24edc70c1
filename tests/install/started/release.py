"""What is done to a release of the pocket profile, as whoever runs it does it.

Each returns once it is done; none does anything by hand that the chart should do.
"""

import json
import signal
import time
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from tests.install.helm import CHART, PROFILES
from tests.install.server import Answer
from tests.install.started.cluster import RELEASE, Cluster
from tests.install.started.operator import APPLICATIONS, RayCluster
from tests.install.started.pod_run import PodRun

POCKET: Final = next(path for path in PROFILES if path.stem == "pocket")
POOL: Final = "pocket-dense"
ASKED: Final = "What is 48213 + 9377 + 60418?"
START_S: Final = 500.0
CHANGE_S: Final = 500.0
"""A replica that leaves lingers for half a minute, and another one starts on busy cores."""
LEAVE_S: Final = 200.0
OF_NAMESPACE: Final = (
    "configmaps/kube-root-ca.crt", "serviceaccounts/default", "secrets/default-token-",
)  # fmt: skip
"""Every namespace has them; the last one's name has an ending."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds since `helm install` was called."""

    installed_s: float
    secrets_s: float
    """The Job has filled them."""
    head_s: float
    """Ready."""
    worker_s: float
    gateway_s: float
    """Ready, so that its Service leads to it."""
    answer_s: float
    """The first one."""
    both_s: float
    """Both pools have answered."""


def install(of: Cluster) -> Start:
    began = time.monotonic()

    def since() -> float:
        return round(time.monotonic() - began, 1)

    of.run("install", RELEASE, CHART, *of.helm.values(POCKET))
    installed = since()
    of.until(of.has_keys, "the keys", START_S)
    secrets = since()
    of.until(lambda: of.ready("pools", node="head"), "the head", START_S)
    head = since()
    of.until(lambda: of.ready("pools", node="worker"), "the worker", START_S)
    worker = since()
    of.until(lambda: of.ready("gateway"), "a gateway", START_S)
    gateway = since()
    of.until(lambda: answer(of, "auto"), "an answer", START_S)
    first = since()
    of.until(lambda: answer(of, POOL) and answer(of, "pocket-moe"), "both pools", START_S)
    return Start(installed, secrets, head, worker, gateway, first, since())


def ask(of: Cluster, model: str, **more: Any) -> dict[str, Any]:
    """Through the gateway's Service. Raises OSError."""
    body = {"model": model, "messages": [{"role": "user", "content": ASKED}]}
    request = urllib.request.Request(
        f"{of.url}/v1/chat/completions",
        json.dumps(body | more).encode(),
        {"authorization": f"Bearer {of.key()}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as found:
        said: dict[str, Any] = json.load(found)
        return said


def answer(of: Cluster, model: str) -> bool:
    try:
        return bool(ask(of, model)["choices"])
    except (OSError, Answer, KeyError):
        return False


def ray(of: Cluster) -> RayCluster:
    (found,) = of.operator.clusters.values()
    return found


def replicas(of: Cluster, pool: str = POOL) -> dict[str, str]:
    """Of a pool as Serve has them, the state of each by its id; none while nobody answers."""
    try:
        app = ray(of).ask("GET", APPLICATIONS)["applications"][pool]
    except (OSError, KeyError):
        return {}
    return {
        each["replica_id"]: each["state"]
        for part in app["deployments"].values()
        for each in part["replicas"]
    }


def are_settled(found: dict[str, str], number: int) -> bool:
    """Whether so many run, and none comes or goes."""
    return list(found.values()) == ["RUNNING"] * number


def upgrade(of: Cluster, **of_pool: Any) -> None:
    """Returns once Helm has stored it and the operator has put it to Ray."""
    models = {"models": {POOL: of_pool}}
    of.run("upgrade", RELEASE, CHART, *of.helm.values(POCKET, models))
    of.until(lambda: ray(of).is_applied, "the pools are told", LEAVE_S)


def scale(of: Cluster, number: int, **more: Any) -> None:
    """Returns once the pool has so many, and those that left are gone."""
    upgrade(of, replicas=number, **more)
    of.until(lambda: are_settled(replicas(of), number), f"{number} replicas", CHANGE_S)
    both_gateways(of)


def roll(of: Cluster, **engine: Any) -> None:
    """Returns once each replica was replaced."""
    before = replicas(of)
    upgrade(of, replicas=len(before), engine=engine)

    def done() -> bool:
        now = replicas(of)
        return are_settled(now, len(before)) and not now.keys() & before.keys()

    of.until(done, "other replicas", CHANGE_S)
    both_gateways(of)


def lose_gateway(of: Cluster) -> PodRun:
    """As when its node is drained. Returns once it is gone and another one is ready."""
    victim = of.kubelet.of("gateway")[0]
    of.server.ask("DELETE", f"/api/v1/namespaces/{of.namespace}/pods/{victim.name}")
    of.until(lambda: victim.over, "the gateway left", LEAVE_S)
    both_gateways(of)
    return victim


def kill_gateway(of: Cluster) -> PodRun:
    """As when it runs out of memory. Returns once it is ready again."""
    both_gateways(of)
    victim = of.kubelet.of("gateway")[0]
    (run,) = victim.containers
    assert run.container is not None
    before = run.restarts
    run.container.signal(signal.SIGKILL)
    of.until(lambda: run.restarts > before, "it was started again", LEAVE_S)
    both_gateways(of)
    return victim


def restart_gateways(of: Cluster) -> None:
    """As `kubectl rollout restart` asks for it. Returns once all are other ones."""
    before = {run.name for run in of.kubelet.of("gateway")}
    path = f"/apis/apps/v1/namespaces/{of.namespace}/deployments/{RELEASE}-bifocal-gateway"
    annotations = {"kubectl.kubernetes.io/restartedAt": "now"}
    of.server.ask(
        "PATCH",
        path,
        {"spec": {"template": {"metadata": {"annotations": annotations}}}},
        content="application/merge-patch+json",
    )

    def replaced() -> bool:
        now = {run.name for run in of.kubelet.of("gateway")}
        return are_both_ready(of) and not now & before

    of.until(replaced, "other gateways", LEAVE_S)


def both_gateways(of: Cluster) -> None:
    """Returns when there are two, and none that comes or goes: another file for the gateway rolls
    them."""
    of.until(lambda: are_both_ready(of), "two gateways", LEAVE_S)


def are_both_ready(of: Cluster) -> bool:
    return [run.ready for run in of.kubelet.of("gateway")] == [True, True]


def helm_test(of: Cluster) -> str:
    """What Helm says. Raises Refused."""
    return of.run("test", RELEASE, "--timeout", "120s")


def uninstall(of: Cluster) -> float:
    """Seconds until the last pod has ended, and whatever came of the release is gone."""
    began = time.monotonic()
    of.run("uninstall", RELEASE)
    of.until(lambda: all(run.over for run in of.kubelet.pods.values()), "all left", LEAVE_S)
    of.until(lambda: not left(of), "nothing is left", LEAVE_S)
    took = time.monotonic() - began
    assert not (late := killed(of)), late
    return took


def killed(of: Cluster) -> list[str]:
    """Pods that had not ended when their grace was over."""
    runs = of.kubelet.pods.values()
    return [run.name for run in runs if any(each.killed for each in run.containers)]


def left(of: Cluster) -> list[str]:
    """Objects of the namespace, of whatever kind the server knows, without its own."""
    found = []
    for api, kind in _kinds(of):
        items = of.server.ask("GET", f"{api}/namespaces/{of.namespace}/{kind}")["items"]
        found += [f"{kind}/{each['metadata']['name']}" for each in items]
    return sorted({each for each in found if not each.startswith(OF_NAMESPACE)})


def _kinds(of: Cluster) -> list[tuple[str, str]]:
    """Path and plural of those that stand in namespaces and can be listed."""
    groups = of.server.ask("GET", "/apis")["groups"]
    apis = ["/api/v1", *(f"/apis/{each['preferredVersion']['groupVersion']}" for each in groups)]
    return [
        (api, each["name"])
        for api in apis
        for each in of.server.ask("GET", api)["resources"]
        if each["namespaced"] and "list" in each["verbs"] and each["name"] != "events"
    ]
