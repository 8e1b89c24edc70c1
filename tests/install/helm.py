"""Runs the real Helm, and reads what it renders."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parents[2] / "helm" / "bifocal"
PROFILES: Final = sorted((CHART / "profiles").glob("*.yaml"))
OF_TODAY: Final = ("policy/v1", "autoscaling/v2", "monitoring.coreos.com/v1", "ray.io/v1")
"""APIs that a cluster of today has."""

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm's words."""


@dataclass(frozen=True)
class Helm:
    binary: Path
    home: Path
    """For its caches, and for values files."""
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str | Path) -> str:
        """What it prints. Raises Refused."""
        env = {**os.environ, "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig or "")}
        for name in ("CACHE", "CONFIG", "DATA"):
            env[f"HELM_{name}_HOME"] = str(self.home / name.lower())
        command = [str(self.binary), *map(str, arguments)]
        done = subprocess.run(
            command, check=False, env=env, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    def values(self, *values: Path | Manifest) -> list[str]:
        """As arguments, the later over the earlier."""
        files = []
        for index, given in enumerate(values):
            path = given
            if not isinstance(given, Path):
                path = self.home / f"values-{index}.yaml"
                path.write_text(yaml.safe_dump(given))
            files += ["--values", str(path)]
        return files

    def template(
        self,
        *values: Path | Manifest,
        name: str = "test",
        kubernetes: str = "1.30.0",
        chart: Path = CHART,
    ) -> list[Manifest]:
        """As Argo CD and Flux render it, with the newest APIs."""
        apis = [part for api in OF_TODAY for part in ("--api-versions", api)]
        text = self(
            "template", name, chart, *self.values(*values), "--kube-version", kubernetes, *apis
        )
        return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [found for found in manifests if found["kind"] == kind]


def pods(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The spec of every pod that would come of them, by what it comes of."""
    found: dict[str, Manifest] = {}
    for each in manifests:
        name = f"{each['kind']}/{each['metadata']['name']}"
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            found[name] = spec
        elif each["kind"] in ("Deployment", "Job", "StatefulSet"):
            found[name] = spec["template"]["spec"]
        elif each["kind"] == "RayService":
            for group in ray_groups(each):
                found[f"{name}/{group.get('groupName', 'head')}"] = group["template"]["spec"]
    return found


def ray_groups(service: Manifest) -> list[Manifest]:
    cluster = service["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
