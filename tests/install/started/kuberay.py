"""The pods and Services that KubeRay makes of a RayService. Pure.

Written after ray-project/kuberay v1.7.0, which no test runs: `ray-operator/controllers/ray/common/
pod.go` (BuildPod, DefaultHeadPodTemplate, DefaultWorkerPodTemplate, setContainerEnvVars,
SetContainerTokenAuthEnvVars, initLivenessAndReadinessProbe; `ray_start` has the line itself),
`.../common/service.go` (BuildServiceForHeadPod, BuildHeadServiceForRayService) and
`.../utils/{constant,util}.go`. Left out is what the chart never asks for: autoscaling by Ray, TLS,
a history server, tokens of Kubernetes, state outside of the head.
"""

import copy
from typing import Any, Final

from tests.install.helm import Manifest
from tests.install.started.ray_start import (
    AGENT_PORT,
    GCS_PORT,
    HEAD,
    WORKER,
    start_command,
    start_params,
)

SERVE_PORT: Final = 8000
VERSION: Final = "v1.7.0"


def head_service_name(owner: str) -> str:
    return f"{owner}-head-svc"


def fqdn(cluster: str, namespace: str) -> str:
    """By which workers find their head."""
    return f"{head_service_name(cluster)}.{namespace}.svc.cluster.local"


def variables(kind: str, command: str, head: str) -> list[Manifest]:
    """What the Ray container of a RayService is told beside what its template says."""
    address = "127.0.0.1" if kind == HEAD else head
    own: dict[str, str | Manifest] = {}
    if kind == WORKER:
        own |= {"FQ_RAY_IP": head, "RAY_IP": head.split(".", maxsplit=1)[0]}
    own |= {
        "RAY_CLUSTER_NAME": _field("metadata.labels['ray.io/cluster']"),
        "RAY_CLUSTER_NAMESPACE": _field("metadata.namespace"),
        "RAY_CLOUD_INSTANCE_ID": _field("metadata.name"),
        "RAY_NODE_TYPE_NAME": _field("metadata.labels['ray.io/group']"),
        "KUBERAY_GEN_RAY_START_CMD": command,
        "RAY_PORT": GCS_PORT,
        "RAY_timeout_ms_task_wait_for_death_info": "0",
        "RAY_gcs_server_request_timeout_seconds": "5",
        "RAY_SERVE_KV_TIMEOUT_S": "5",
        "RAY_ADDRESS": f"{address}:{GCS_PORT}",
        "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
    }
    if kind == HEAD:
        own["RAY_USAGE_STATS_EXTRA_TAGS"] = f"kuberay_version={VERSION};kuberay_crd=RayService"
    own["RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE"] = "1"
    return [
        {"name": name, "value": value}
        if isinstance(value, str)
        else {"name": name, "valueFrom": value}
        for name, value in own.items()
    ]


def token(auth: Manifest, cluster: str) -> list[Manifest]:
    """Of a cluster with token authentication."""
    if auth.get("mode") != "token":
        return []
    secret = auth.get("secretName") or cluster
    ref = {"secretKeyRef": {"name": secret, "key": "auth_token"}}
    return [
        {"name": "RAY_AUTH_MODE", "value": "token"},
        {"name": "RAY_AUTH_TOKEN", "valueFrom": ref},
    ]


def probes(kind: str, container: Manifest) -> Manifest:
    """Those that the template leaves to KubeRay, of a Ray from 2.53 on."""
    agent = {"httpGet": {"path": "/api/healthz", "port": int(AGENT_PORT)}}
    timeout = 5 if kind == HEAD else 2
    every = {"periodSeconds": 5, "successThreshold": 1, "timeoutSeconds": timeout}
    live = agent | every | {"initialDelaySeconds": 30, "failureThreshold": 120}
    ready: Manifest = agent | every | {"initialDelaySeconds": 10, "failureThreshold": 10}
    if kind == WORKER:
        ports = {port.get("name"): port["containerPort"] for port in container.get("ports", [])}
        lines = (
            f"wget --tries 1 -T 2 -q -O- http://localhost:{AGENT_PORT}/api/local_raylet_healthz"
            " | grep success",
            f"wget --tries 1 -T 10 -q -O- http://localhost:{ports.get('serve', SERVE_PORT)}"
            "/-/healthz | grep success",
        )
        del ready["httpGet"]
        ready |= {"exec": {"command": ["bash", "-c", " && ".join(lines)]}, "failureThreshold": 1}
    return {
        name: probe
        for name, probe in (("livenessProbe", live), ("readinessProbe", ready))
        if not container.get(name)
    }


def _field(path: str) -> Manifest:
    return {"fieldRef": {"fieldPath": path}}


WAIT: Final = "until ray health-check --address {head}; do sleep 5; done"
"""KubeRay's own loop, which also talks meanwhile."""


def _waiting(container: Manifest, opened_by: list[Manifest], head: str) -> Manifest:
    """The init container of a worker, which waits for the head as a Ray program would meet it."""
    few = {"cpu": "200m", "memory": "256Mi"}
    where = {"FQ_RAY_IP": head, "RAY_IP": head.split(".", maxsplit=1)[0]}
    kept = ("image", "imagePullPolicy", "securityContext", "volumeMounts")
    return {
        "name": "wait-gcs-ready",
        "command": ["/bin/bash", "-c", "--"],
        "args": [WAIT.format(head=f"{head}:{GCS_PORT}")],
        **{key: container[key] for key in kept if key in container},
        "env": [
            *container.get("env", []),
            *opened_by,
            *({"name": name, "value": value} for name, value in where.items()),
        ],
        "resources": {"limits": few, "requests": few},
    }


def pod(kind: str, group: Manifest, service: Manifest, cluster: str, index: int = 0) -> Manifest:
    """Of a head, or a worker of a group: a body to post, whose name the server makes."""
    namespace = service["metadata"]["namespace"]
    template = copy.deepcopy(group["template"])
    spec, head = template["spec"], fqdn(cluster, namespace)
    container = spec["containers"][0]
    opened_by = token(service["spec"]["rayClusterConfig"].get("authOptions", {}), cluster)
    if kind == WORKER:
        waiting = _waiting(copy.deepcopy(container), opened_by, head)
        spec["initContainers"] = [*spec.get("initContainers", []), waiting]
    params = start_params(
        kind,
        group.get("rayStartParams", {}),
        container=container,
        labels=group.get("labels") or {},
        head=head,
    )
    command = start_command(kind, params)
    container["command"] = ["/bin/bash", "-c", "--"]
    container["args"] = [f"ulimit -n ${{RAY_START_ULIMIT_OPEN_FILES:-65536}}; {command}"]
    _add(container, [*opened_by, *variables(kind, command, head)])
    container |= probes(kind, container)
    _shared_memory(spec, container)
    name = f"{cluster}-head" if kind == HEAD else f"{cluster}-{group['groupName']}-worker"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name}-",
            "namespace": namespace,
            "labels": _labels(kind, group, template, cluster, index),
        },
        "spec": spec,
    }


def _add(container: Manifest, more: list[Manifest]) -> None:
    """What the template says wins."""
    env = container.setdefault("env", [])
    said = {each["name"] for each in env}
    env += [each for each in more if each["name"] not in said]


def _shared_memory(spec: Manifest, container: Manifest) -> None:
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    medium = {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}
    spec.setdefault("volumes", []).append({"name": "shared-mem", "emptyDir": medium})
    mounts = container.setdefault("volumeMounts", [])
    mounts.append({"name": "shared-mem", "mountPath": "/dev/shm"})


def _labels(
    kind: str, group: Manifest, template: Manifest, cluster: str, index: int
) -> dict[str, str]:
    given = template.get("metadata", {}).get("labels", {}) | (group.get("labels") or {})
    name = "headgroup" if kind == HEAD else group["groupName"]
    return {
        **_of_kuberay(kind, cluster),
        "ray.io/is-ray-node": "yes",
        **given,
        "ray.io/cluster": cluster,
        "ray.io/node-type": kind,
        "ray.io/group": name,
        "ray.io/serve": "false" if kind == HEAD else "true",
        **({"ray.io/worker-group-replica-index": str(index)} if kind == WORKER else {}),
    }


def _of_kuberay(kind: str, cluster: str) -> dict[str, str]:
    return {
        "ray.io/identifier": f"{cluster}-{kind}",
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }


def pods(service: Manifest, cluster: str) -> list[Manifest]:
    """Of a whole Ray cluster, the head first."""
    config = service["spec"]["rayClusterConfig"]
    workers = [
        pod(WORKER, group, service, cluster, replica)
        for group in config.get("workerGroupSpecs", [])
        for replica in range(group["replicas"])
        for _ in range(group.get("numOfHosts", 1))
    ]
    return [pod(HEAD, config["headGroupSpec"], service, cluster), *workers]


def head_services(service: Manifest, cluster: str) -> list[Manifest]:
    """Two names of one head, without an address of their own: the cluster's and the service's."""
    container = service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"][
        "containers"
    ][0]
    ports: list[dict[str, Any]] = [
        {"name": port["name"], "port": port["containerPort"], "protocol": "TCP"}
        for port in sorted(container["ports"], key=lambda port: str(port["name"]))
    ]
    selector = {
        **_of_kuberay(HEAD, cluster),
        "ray.io/cluster": cluster,
        "ray.io/node-type": HEAD,
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": head_service_name(owner),
                "namespace": service["metadata"]["namespace"],
            },
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": selector,
                "ports": ports,
            },
        }
        for owner in (cluster, service["metadata"]["name"])
    ]
