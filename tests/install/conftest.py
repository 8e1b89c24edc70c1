"""Helm and an API server, found by KUBEBUILDER_ASSETS: a folder with `helm`, `etcd`,
`kube-apiserver` and, for what needs controllers, `kube-controller-manager`; in its `crds` the
definitions of KubeRay and of prometheus-operator, in its `python` kubernetes-validate, and in its
`images` what `tests.install.images` has built.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.helm import Helm
from tests.install.images import Image, found
from tests.install.server import ApiServer

VARIABLE = "KUBEBUILDER_ASSETS"
NONE_SKIPPED = "BIFOCAL_NONE_SKIPPED"
"""Set where all that these tests need is there: one that is skipped then fails the run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("install")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [] if reporter is None else reporter.stats.get("skipped", [])
    names = [each.nodeid for each in skipped if each.nodeid.startswith("tests/install/")]
    if names and os.environ.get(NONE_SKIPPED):
        reporter.write_line(f"\n{NONE_SKIPPED} is set, and skipped were: {', '.join(names)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def assets() -> Path:
    return needed("helm")


def needed(*names: str) -> Path:
    """The folder, if it has them all; else the test says why it is skipped."""
    folder = Path(os.environ.get(VARIABLE, "/nowhere"))
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} is not set: a folder with {', '.join(names)}")
    if missing := [name for name in names if not (folder / name).exists()]:
        pytest.skip(f"{VARIABLE} is {folder}, which has no {', '.join(missing)}")
    return folder


@pytest.fixture(scope="session")
def images() -> dict[str, Image]:
    """Those that were built; none where nobody did."""
    return found(Path(os.environ.get(VARIABLE, "/nowhere")) / "images")


@pytest.fixture(scope="session")
def helm(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(assets / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = needed("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "crds")
    with ApiServer(folder, tmp_path_factory.mktemp("server")) as started:
        for crd in sorted((folder / "crds").glob("*.yaml")):
            started.define(crd)
        yield started
