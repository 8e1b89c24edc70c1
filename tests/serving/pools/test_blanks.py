"""The grammar of a forced call, as vLLM builds it and as it is repaired."""

import json
import subprocess
import sys

import pytest

TAG = """
import importlib, json, sys
from serving.pools import blanks
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam

module = importlib.import_module(blanks.MODULE)
tool = ChatCompletionToolsParam.model_validate(
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
)
def counted():
    tag = module.get_model_structural_tag("hermes", [tool], "required", False)
    return [each.content.max_whitespace_cnt for each in tag.format.tags]
before = counted()
blanks.repair(module)
blanks.repair(module)
print(json.dumps([before, counted()]))
"""


@pytest.mark.engine
def test_vllm_counts_no_blanks_and_the_repair_makes_it() -> None:
    """In a process of its own: importing vLLM takes seconds, and what is repaired stays so."""
    done = subprocess.run(
        [sys.executable, "-c", TAG], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [[None, None], [2, 2]]
