"""Every command that a page marks as run is run, in its order, as a reader would."""

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.bundle import cluster
from deploy.bundle.scrub import Scrubber
from deploy.chart.secrets import MAKERS, fill
from deploy.cli.reach import INSTANCE, admin_key, installed
from deploy.cli.revoke import from_secret
from deploy.keys import keys_in
from deploy.kubectl import Kubectl, Refused
from serving.keys import digest
from tests.install.helm import CHART, Helm, of_kind
from tests.install.server import Answer, ApiServer

ROOT = CHART.parents[1]
DOCS = ROOT / "docs"
RUN, NOT_RUN, HELD = "sh", "console", "yaml"
INSTALL = "install.md"
AFTER_INSTALL = ("upgrade.md", "gitops.md", "backup.md", "sizing.md", "security.md", "remove.md")
PAGES = (INSTALL, *AFTER_INSTALL)
MOST_VALUES = 25
"""Lines for the 235B on two nodes and two small models."""
NAMESPACE = "bifocal"
each_page = pytest.mark.parametrize("page", PAGES)


def blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)


def script(page: str) -> str:
    return "".join(text for kind, text in blocks(page) if kind == RUN)


def installing() -> str:
    """The block that the other pages come after."""
    (found,) = [text for kind, text in blocks(INSTALL) if kind == RUN and "helm install" in text]
    return found


@each_page
def test_every_block_says_whether_it_is_run(page: str) -> None:
    assert {kind for kind, _ in blocks(page)} <= {RUN, NOT_RUN, HELD}
    assert script(page)


def test_the_first_values_are_short() -> None:
    (values,) = re.findall(r"cat > values.yaml <<'END'\n(.*?)END\n", installing(), re.S)
    assert len(values.splitlines()) <= MOST_VALUES


@dataclass(frozen=True)
class Shell:
    """A reader's, in a folder of its own."""

    server: ApiServer
    assets: Path
    folder: Path

    def __call__(self, script: str) -> None:
        bin = Path(sys.executable).parent
        env = {
            **os.environ,
            "PATH": f"{self.assets}:{bin}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.server.kubeconfig),
            "HOME": str(self.folder),
        }
        for name in ("CACHE", "CONFIG", "DATA"):
            env[f"HELM_{name}_HOME"] = str(self.folder / name.lower())
        done = subprocess.run(
            ["bash", "-x", "-c", f"set -e -o pipefail\n{script}"],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def secrets(self) -> dict[str, Any]:
        """What the Job puts there, which nothing runs here: by its own code, as its account."""
        api = self.server.api_of(NAMESPACE, "llm-bifocal-secrets")
        for kind, make in MAKERS.items():
            fill(api, f"llm-bifocal-{kind}", make, time.time())
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        return {
            kind: self.server.ask("GET", f"{path}/llm-bifocal-{kind}")["data"] for kind in MAKERS
        }

    def as_one_of(self, group: str, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
        """As whoever is in that group."""
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        config["users"][0]["user"] |= {"as": "someone", "as-groups": [group]}
        (theirs := self.folder / "kubeconfig").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(theirs))
        monkeypatch.setenv("PATH", f"{self.assets}:{os.environ['PATH']}")
        return Kubectl(config["current-context"], NAMESPACE)


@pytest.fixture
def shell(server: ApiServer, assets: Path, tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "helm").symlink_to(CHART.parent)
    yield Shell(server, assets, tmp_path)
    for name in (NAMESPACE, "gitops"):
        _without(server, name)


def _without(server: ApiServer, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            server.ask("DELETE", path)
        except Answer as answer:
            if answer.status == 404:
                return
        time.sleep(0.5)
    raise AssertionError(f"{namespace} does not go")


def test_what_the_first_page_runs_works(shell: Shell) -> None:
    shell(script(INSTALL))
    path = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayservices"
    assert shell.server.ask("GET", path)["items"] == []


@pytest.mark.parametrize("page", [page for page in AFTER_INSTALL if page != "backup.md"])
def test_what_a_page_runs_works(shell: Shell, page: str) -> None:
    shell(installing())
    shell.secrets()
    shell(script(page))


def test_a_release_is_lost_and_put_back(shell: Shell) -> None:
    shell(installing())
    before = shell.secrets()
    shell(script("backup.md"))
    assert shell.secrets() == before, "the Job leaves what has data"


def test_an_operators_rights_are_enough_and_read_no_other_secret(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(installing())
    keys = shell.secrets()["keys"]
    (role,) = [text for kind, text in blocks("security.md") if "bifocal-operators" in text]
    shell(role)
    kubectl = shell.as_one_of("bifocal-operators", monkeypatch)
    there = installed(kubectl, None)
    assert admin_key(there) == base64.b64decode(keys["admin"]).decode()
    (scraper,) = keys_in(base64.b64decode(keys["keys.yaml"]).decode(), Path("k")).starting(
        digest(base64.b64decode(keys["metrics"]).decode())
    )
    assert from_secret(there, scraper.sha256) is None, "its line is taken out"
    kubectl.run(
        "patch", "configmap", str(there.orders), "--patch", '{"data": {"orders.json": "[]"}}'
    )
    kubectl.run("auth", "can-i", "create", "pods", "--subresource=portforward")
    kubectl.run("auth", "can-i", "get", "pods", "--subresource=log")
    bundle = cluster.entries(kubectl, f"{INSTANCE}=llm", 10_000, Scrubber())
    missing = {entry.name for entry in bundle if entry.name.endswith(".missing")}
    of_the_cluster = {"nodes", "storageclasses"}
    assert missing == {f"kubernetes/{each}.missing" for each in {"secrets", *of_the_cluster}}
    for asked in (
        ("get", "secret/llm-bifocal-tokens"),
        ("list", "secrets"),
        ("patch", "configmap/llm-bifocal-gateway"),
        ("create", "pods"),
        ("create", "pods", "--subresource=exec"),
    ):
        with pytest.raises(Refused, match="kubectl auth"):
            kubectl.run("auth", "can-i", *asked)


@pytest.mark.parametrize("kind", ["Application", "HelmRelease"])
def test_what_is_written_for_argo_cd_and_flux_are_values(helm: Helm, kind: str) -> None:
    written = [yaml.safe_load(text) for label, text in blocks("gitops.md") if label == HELD]
    (found,) = [each for each in written if each.get("kind") == kind]
    spec = found["spec"]
    values = spec["source"]["helm"]["valuesObject"] if kind == "Application" else spec["values"]
    assert len(of_kind(helm.template(values), "RayService")) == 2


@each_page
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (DOCS / page).read_text()):
        if not target.startswith("http"):
            assert (DOCS / target).exists(), target
