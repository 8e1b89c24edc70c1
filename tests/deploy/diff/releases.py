"""Releases to compare, as the chart renders them, without Helm: the objects that matter here."""

import json
from copy import deepcopy
from typing import Any

import yaml

from deploy.diff.rendered import Rendered, rendered

FILE: dict[str, Any] = {
    "gpus": {"l40s": {"kind": "l40s-48g", "perNode": 1, "nodes": 3}},
    "models": {"qwen3-8b": {"on": "l40s"}, "qwen3-0.6b": {"on": "l40s"}},
    "gateway": {"host": "0.0.0.0", "keys": "/etc/bifocal-keys/keys.yaml"},
    "longestAnswer": "1h",
}


class Release:
    """Of one group; what a test is about is changed by hand."""

    def __init__(self) -> None:
        self.file: dict[str, Any] = deepcopy(FILE)
        self.applications = {name: application(name) for name in FILE["models"]}
        self.workers: dict[str, Any] = {
            "groupName": "l40s",
            "replicas": 2,
            "numOfHosts": 1,
            "template": pod("gpu:1", 1),
        }
        self.head: dict[str, Any] = {"template": pod("gpu:1", 0)}
        self.strategy = "None"
        self.gateway: dict[str, Any] = {"replicas": 2, "template": pod("gateway:1", 0)}
        self.gateway["template"]["spec"]["volumes"] = [
            {"name": "k", "secret": {"secretName": "keys"}}
        ]
        self.more: list[dict[str, Any]] = []

    def beside(self, group: str, *models: str) -> None:
        """Another group, with models that the first then has no longer."""
        self.file["gpus"][group] = {"kind": "l4-24g", "nodes": 3}
        for name in models:
            self.file["models"].setdefault(name, {})["on"] = group
            self.applications.pop(name, None)
        workers = deepcopy(self.workers) | {"groupName": group}
        applications = {name: application(name) for name in models}
        self.more.append(service(applications, "None", deepcopy(self.head), workers))

    @property
    def text(self) -> str:
        return yaml.safe_dump_all(
            [
                service(self.applications, self.strategy, self.head, self.workers),
                {**named("Deployment", "llm-gateway", "gateway"), "spec": self.gateway},
                {
                    **named("ConfigMap", "llm-gateway", "gateway"),
                    "data": {"bifocal.yaml": yaml.safe_dump(self.file)},
                },
                *self.more,
            ]
        )

    @property
    def read(self) -> Rendered:
        return rendered(self.text, "a test")


def service(
    applications: dict[str, Any], strategy: str, head: dict[str, Any], workers: dict[str, Any]
) -> dict[str, Any]:
    spec = {
        "rayClusterDeletionDelaySeconds": 3720,
        "upgradeStrategy": {"type": strategy},
        "serveConfigV2": json.dumps({"applications": list(applications.values())}),
        "rayClusterConfig": {"headGroupSpec": head, "workerGroupSpecs": [workers]},
    }
    return {**named("RayService", f"llm-{workers['groupName']}", "pools"), "spec": spec}


def named(kind: str, name: str, part: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": part, "helm.sh/chart": "bifocal-0.1.0"}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}}


def pod(image: str, gpus: int) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {"memory": "8Gi"}
    return {
        "spec": {"containers": [{"name": "ray", "image": image, "resources": {"limits": limits}}]}
    }


def application(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "args": {"engine": {"max_num_seqs": 256}, "deployment": {}},
        "runtime_env": {"env_vars": {}},
        "deployments": [{"name": "engine", "num_replicas": 1}],
    }


def job(source: str, image: str) -> dict[str, Any]:
    container = {"image": image, "command": ["bifocal", "weights", "pull", source]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {**named("Job", f"llm-weights-{image}", "weights"), "spec": spec}
