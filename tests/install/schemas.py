"""Holds manifests against the schemas of Kubernetes and of custom resources, every object closed.

Without a server: an API server of a release that is no longer made knows less than today's.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.install.helm import Manifest

CUSTOM = ("ray.io/", "monitoring.coreos.com/")
UNKNOWN = ("gateway.networking.k8s.io/",)
"""No definition of it is at hand."""


def builtin_problems(manifests: list[Manifest], release: str, python: Path, folder: Path) -> str:
    """Of kubernetes-validate, strictly; empty if there are none."""
    file = folder / "manifests.yaml"
    known = [m for m in manifests if not m["apiVersion"].startswith((*CUSTOM, *UNKNOWN))]
    file.write_text(yaml.safe_dump_all(known))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", release, str(file)]
    env = {**os.environ, "PYTHONPATH": str(python)}
    done = subprocess.run(
        command, check=False, env=env, capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr if done.returncode else ""


def custom_problems(manifests: list[Manifest], crds: Path) -> list[str]:
    """Of the definitions' own schemas. Rules in CEL are not evaluated."""
    found = []
    for each in manifests:
        if each["apiVersion"].startswith(CUSTOM):
            validator = _validators(crds)[each["apiVersion"], each["kind"]]
            found += [
                f"{each['kind']}/{each['metadata']['name']}: {error.json_path}: {error.message}"
                for error in validator.iter_errors(each)
            ]
    return found


@cache
def _validators(crds: Path) -> dict[tuple[str, str], jsonschema.Draft7Validator]:
    made = {}
    for file in sorted(crds.glob("*.yaml")):
        for crd in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            for version in crd["spec"]["versions"] if crd else ():
                schema = _closed(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
                kind = f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]
                made[kind] = jsonschema.Draft7Validator(schema)
    return made


def _closed(schema: Any) -> Any:
    """OpenAPI's schema as JSON Schema: unknown keys are refused, int-or-string is either."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if key not in ("default", "format")}
    for key in ("items", "additionalProperties", "not", "allOf", "anyOf", "oneOf"):
        if key in found:
            found[key] = _closed(found[key])
    if "properties" in found:
        found["properties"] = {name: _closed(each) for name, each in found["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
        found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return {"anyOf": [{"type": "null"}, found]} if found.pop("nullable", False) else found
