"""The grammars of a forced call and of a schema, as they are built and as they are repaired."""

import json
import subprocess
import sys

import pytest

TAG = """
import importlib, json, sys
from serving.pools import blanks
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam

module = importlib.import_module(blanks.FORCED_CALLS)
tool = ChatCompletionToolsParam.model_validate(
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
)
def counted():
    tag = module.get_model_structural_tag("hermes", [tool], "required", False)
    return [each.content.max_whitespace_cnt for each in tag.format.tags]
before = counted()
blanks.repair_forced_calls(module)
blanks.repair_forced_calls(module)
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


SCHEMA = """
import json, xgrammar, xgrammar.compiler
from serving.pools import blanks

vocabulary = [*"{}:0123456789 ", '"', "sum", "</s>"]
def spaces():
    info = xgrammar.TokenizerInfo(vocabulary, stop_token_ids=[len(vocabulary) - 1])
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    compiled = xgrammar.GrammarCompiler(info).compile_json_schema(json.dumps(schema))
    matcher = xgrammar.GrammarMatcher(compiled)
    assert matcher.accept_string('{"sum": 7')
    return next(n for n in range(100) if n == 99 or not matcher.accept_string(" "))
before = spaces()
blanks.repair_schemas(xgrammar.compiler)
blanks.repair_schemas(xgrammar.compiler)
print(json.dumps([before, spaces()]))
"""


@pytest.mark.process
def test_a_schema_allows_blanks_without_end_and_the_repair_counts_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCHEMA], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [99, 2]
