"""What the engine's processes say by themselves."""

import multiprocessing
from types import SimpleNamespace
from typing import Any

import pytest

from serving.pools import following
from serving.pools.start import marks


class Executor:
    """With the methods of vLLM's that are called once as it starts."""

    def __init__(self, config: str) -> None:
        self.config = config

    def determine_available_memory(self) -> list[int]:
        return [7]

    def initialize_from_config(self, *, configs: str) -> str:
        return configs


@pytest.mark.parametrize(
    ("process", "step"),
    [("EngineCore", "engine core"), ("EngineCore_DP1", "engine core"), ("VllmWorker-3", "workers"),
     ("MainProcess", None)],
)  # fmt: skip
def test_a_process_says_that_its_imports_are_done(
    process: str,
    step: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hooked: list[str] = []
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {})
    monkeypatch.setattr(multiprocessing.current_process(), "_name", process)
    monkeypatch.setattr(following, "when_imported", lambda module, _: hooked.append(module))
    following.follow()
    assert [mark.step.value for mark in marks(capsys.readouterr().err)] == ([step] if step else [])
    assert hooked == (["vllm.v1.executor.abstract"] if step == "engine core" else [])


def test_the_executor_does_what_it_did_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(Executor=type("Executor", (Executor,), dict(vars(Executor))))
    following._tell(module)
    executor = module.Executor("configured")
    assert executor.config == "configured"
    assert executor.determine_available_memory() == [7]
    assert executor.initialize_from_config(configs="all") == "all"
    said = [mark.step.value for mark in marks(capsys.readouterr().err)]
    assert said == ["weights", "compile, profile", "KV cache, graphs"]


@pytest.mark.process
def test_vllm_has_what_is_hooked() -> None:
    abstract = pytest.importorskip("vllm.v1.executor.abstract")
    for method in following.DONE_AFTER:
        assert method in vars(abstract.Executor)
