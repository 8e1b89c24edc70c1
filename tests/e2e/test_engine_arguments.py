"""The names of engine arguments that a cluster file may hold against vLLM's own."""

import dataclasses

import pytest

from serving.config.arguments import VLLM

pytestmark = pytest.mark.engine


def test_the_engine_arguments_of_a_cluster_file_are_those_of_vllm() -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import FrontendArgs

    fields = [*dataclasses.fields(AsyncEngineArgs), *dataclasses.fields(FrontendArgs)]
    names = {each.name for each in fields if not each.name.startswith("_")}
    assert sorted(names ^ VLLM) == []
