"""Every command that docs/install.md marks as run is run, in its order, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.install.helm import CHART
from tests.install.server import ApiServer

PAGE = CHART.parents[1] / "docs" / "install.md"
RUN, NOT_RUN = "sh", "console"
MOST_VALUES = 25
"""Lines for the 235B on two nodes and two small models."""


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_every_block_says_whether_it_is_run() -> None:
    assert {kind for kind, _ in blocks()} == {RUN, NOT_RUN}


def test_the_first_values_are_short() -> None:
    (values,) = re.findall(r"cat > values.yaml <<'END'\n(.*?)END\n", PAGE.read_text(), re.S)
    assert len(values.splitlines()) <= MOST_VALUES


def test_what_is_run_works(server: ApiServer, assets: Path, tmp_path: Path) -> None:
    (tmp_path / "helm").symlink_to(CHART.parent)
    bin = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{assets}:{bin}:{os.environ['PATH']}",
        "KUBECONFIG": str(server.kubeconfig),
        "HOME": str(tmp_path),
    }
    for name in ("CACHE", "CONFIG", "DATA"):
        env[f"HELM_{name}_HOME"] = str(tmp_path / name.lower())
    script = "set -e\n" + "".join(text for kind, text in blocks() if kind == RUN)
    done = subprocess.run(
        ["bash", "-x", "-c", script],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    left = server.ask("GET", "/apis/ray.io/v1/namespaces/bifocal/rayservices")["items"]
    assert left == []
