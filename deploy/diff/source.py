"""Where the two sides come from: values that Helm renders, manifests, or a release that runs.

Reads only; `helm` and the cluster's API are asked for nothing else.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.diff.rendered import Rendered, rendered
from deploy.failure import Exit, Failure
from deploy.kubectl import contexts

CHART: Final = Path(__file__).parents[2] / "helm" / "bifocal"
OF_TODAY: Final = ("policy/v1", "autoscaling/v2", "monitoring.coreos.com/v1", "ray.io/v1")
"""APIs that a cluster of today has, where none is asked."""
TIMEOUT_S: Final = 120.0
NOT_THERE: Final = "not found"
NO_CONTEXT: Final = '" does not exist'


@dataclass(frozen=True, slots=True)
class Release:
    """Of Helm."""

    name: str
    namespace: str | None = None
    context: str | None = None

    @property
    def where(self) -> list[str]:
        found = ["--namespace", self.namespace] if self.namespace else []
        return [*found, "--kube-context", self.context] if self.context else found


def of_files(given: str, chart: str, name: str = "llm") -> Rendered:
    """`values.yaml`, several of them with commas between, or manifests. Raises Failure."""
    paths = [Path(each) for each in given.split(",")]
    texts = [_read(path) for path in paths]
    if len(texts) == 1 and _is_manifests(texts[0]):
        return rendered(texts[0], given)
    apis = [part for api in OF_TODAY for part in ("--api-versions", api)]
    return rendered(_helm(["template", name, chart, *_values(paths), *apis], given), given)


def of_release(release: Release) -> Rendered:
    """As it was installed last. Raises Failure."""
    text = _helm(["get", "manifest", release.name, *release.where], f"release {release.name}")
    return rendered(text, f"release {release.name}")


def next_of(release: Release, given: str, chart: str) -> Rendered:
    """As these values would make it, for the cluster that it runs in. Raises Failure."""
    paths = [Path(each) for each in given.split(",")]
    texts = [_read(path) for path in paths]
    if len(texts) == 1 and _is_manifests(texts[0]):
        return rendered(texts[0], given)
    asked = ["upgrade", release.name, chart, *_values(paths), *release.where]
    text = _helm([*asked, "--dry-run=server", "--output", "json"], given)
    return rendered(str(json.loads(text)["manifest"]), given)


def _values(paths: Sequence[Path]) -> list[str]:
    return [part for path in paths for part in ("--values", str(path))]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        what = f"{path}: cannot be read: {error.strerror or error}"
    except UnicodeDecodeError as error:
        what = f"{path}: not UTF-8 (byte {error.start})"
    raise Failure(Exit.BAD_INPUT, what)


def _is_manifests(text: str) -> bool:
    try:
        first: Any = next((each for each in yaml.load_all(text, yaml.CSafeLoader) if each), None)
    except yaml.YAMLError:
        return False  # Helm says what is wrong with values
    return isinstance(first, dict) and "kind" in first and "apiVersion" in first


def _helm(arguments: list[str], whose: str) -> str:
    binary = shutil.which("helm")
    if binary is None:
        remedy = (
            "install Helm, or give two files of manifests (`helm template`, `helm get manifest`)"
        )
        raise Failure(Exit.BAD_INPUT, "helm is not there, which renders values", remedy)
    try:
        done = subprocess.run(  # noqa: S603  # helm, with files as they were named
            [binary, *arguments],
            check=False, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failure(Exit.NOT_RUNNING, f"{whose}: helm gave no answer in time") from None
    if done.returncode:
        if NO_CONTEXT in done.stderr and "context" in done.stderr:
            there = ", ".join(contexts()) or "none"
            what = "--context: there is none of that name in the kubeconfig"
            raise Failure(Exit.BAD_INPUT, what, f"there are: {there}")
        asked = arguments[0] != "template"
        is_away = asked and (NOT_THERE in done.stderr or "unreachable" in done.stderr)
        code = Exit.NOT_RUNNING if is_away else Exit.BAD_INPUT
        raise Failure(code, f"{whose}: {done.stderr.strip()}")
    return done.stdout
