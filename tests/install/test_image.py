"""The gateway's image, as far as it comes without a container engine: its install steps in a bare
folder, and then the commands of the chart's pods.
"""

import subprocess
import sys
from pathlib import Path

from deploy.image import lock
from tests.install.helm import CHART

ROOT = CHART.parents[1]


def test_the_gateways_install_steps_give_what_its_pods_call(tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "bifocal")
    bin = tmp_path / "bifocal" / "bin"
    pip = (bin / "pip", "--disable-pip-version-check")
    locked = Path(lock.__file__).with_name("gateway.lock")
    run(*pip, "install", "--no-deps", "--require-hashes", "-r", locked)
    source = tmp_path / "src"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "serving", "ops", "deploy"):
        (source / name).symlink_to(ROOT / name)
    wheels = tmp_path / "wheels"
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
    (wheel,) = wheels.glob("bifocal-*.whl")
    run(*pip, "install", "--no-deps", wheel)
    for command in (
        ("bifocal", "gateway", "--help"),
        ("bifocal", "weights", "pull", "--help"),
        ("bifocal", "chat", "--help"),
        ("python", "-m", "deploy.chart.secrets", "--help"),
    ):
        assert "Usage" in run(bin / command[0], *command[1:]).replace("usage", "Usage")
    loaded = run(bin / "python", "-c", "import deploy.app, deploy.server, sys; print(*sys.modules)")
    assert not {"ray", "vllm", "torch"} & set(loaded.split())


def run(*command: object) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd="/", capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
