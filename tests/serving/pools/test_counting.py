"""How vLLM counts the thinking in a stream that has none, as it is and as it is repaired."""

import json
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from serving.pools import counting

State = Enum("State", ["CONTENT", "REASONING"])

STREAM = """
import importlib, json
from deploy import pocket
from transformers import AutoTokenizer
from vllm.reasoning import ReasoningParserManager
from serving.pools import counting

tokenizer = AutoTokenizer.from_pretrained(pocket.folder("pocket-dense"))
decode, decoded = tokenizer.decode, 0

def counted_decode(ids, **options):
    global decoded
    decoded += len(ids)
    return decode(ids, **options)

tokenizer.decode = counted_decode

def stream(answer, thinks=False):
    "The count at the end, and how many tokens were decoded for it."
    global decoded
    decoded = 0
    parser = ReasoningParserManager.get_reasoning_parser("qwen3")(
        tokenizer, chat_template_kwargs={"enable_thinking": thinks}
    )
    ids = tokenizer.encode(answer, add_special_tokens=False)
    for n in range(1, len(ids) + 1):
        count = parser.count_reasoning_tokens(tuple(ids[:n]))
    return len(ids), count, decoded

ANSWERS = {
    "plain": ("12 + 7 = 19. " * 20, False),
    "thinks late": ("19. <think>12 + 7</think> 19.", False),
    "thinks without end": ("<think>12 + 7 and", False),
    "thinking on": ("12 + 7</think>19.", True),
}
before = {name: stream(*answer) for name, answer in ANSWERS.items()}
module = importlib.import_module(counting.MODULE)
counting.repair(module)
counting.repair(module)
print(json.dumps({name: [before[name], stream(*answer)] for name, answer in ANSWERS.items()}))
"""


@pytest.mark.engine
def test_vllm_decodes_the_answer_anew_with_each_token_and_the_repair_does_not() -> None:
    """In a process of its own: importing vLLM takes seconds, and what is repaired stays so."""
    done = subprocess.run(
        [sys.executable, "-c", STREAM], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for name, ((tokens, before, _), (_, after, _)) in found.items():
        assert tokens > 5, name
        assert after == before, f"{name}: the count itself is vLLM's"
        assert (after > 0) == (name == "thinking on"), name
    (tokens, _, as_it_is), (_, _, repaired) = found["plain"]
    assert as_it_is > tokens**2 / 2
    assert repaired == 0


def adapter(begins: str, ways: Sequence[tuple[str, str]]) -> Any:
    """As much of vLLM's as is used, of a parser with these states; it counts seven."""

    config = SimpleNamespace(
        initial_state=State[begins],
        transitions={
            (State[of], "a mark"): SimpleNamespace(next_state=State[to]) for of, to in ways
        },
    )
    kind = type("Adapter", (), {"count_reasoning_tokens": lambda _self, _ids: 7})
    counting.repair(SimpleNamespace(ParserEngineReasoningAdapter=kind))  # type: ignore[arg-type]
    made: Any = kind()
    made._parser_engine = SimpleNamespace(parser_engine_config=config)
    return made


@pytest.mark.parametrize(
    ("begins", "ways", "counted"),
    [
        pytest.param("CONTENT", [("REASONING", "REASONING")], 0, id="no way into thinking"),
        pytest.param("CONTENT", [("CONTENT", "REASONING")], 7, id="a way into it"),
        pytest.param("REASONING", [], 7, id="begins with it"),
    ],
)
def test_nothing_is_counted_only_where_nothing_can_be_thinking(
    begins: str, ways: list[tuple[str, str]], counted: int
) -> None:
    assert adapter(begins, ways).count_reasoning_tokens((1, 2)) == counted


def test_another_version_without_the_class_is_left_alone() -> None:
    counting.repair(SimpleNamespace())  # type: ignore[arg-type]
