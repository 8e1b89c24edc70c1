"""An error about a value says where it is, what was found and what is allowed."""

from typing import Any

import pytest

from serving.config import Limits
from serving.errors import MalformedRequest
from serving.wire import chat, completions
from serving.wire.json import decode_object

HELLO = {"role": "user", "content": "hello"}
EFFORTS = "none, minimal, low, medium, high, xhigh, max"


def said(fields: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(MalformedRequest) as caught:
        chat.parse({"messages": [HELLO], **fields}, Limits())
    return caught.value.message, caught.value.param


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        pytest.param(
            {"messages": [HELLO, {"role": "bot"}]},
            "messages[1].role",
            'found "bot"; allowed: system, developer, user, assistant, tool',
            id="role",
        ),
        pytest.param(
            {"reasoning_effort": "huge"},
            "reasoning_effort",
            f'found "huge"; allowed: {EFFORTS}',
            id="effort",
        ),
        pytest.param(
            {"tool_choice": "some"},
            "tool_choice",
            'found "some"; allowed: none, auto, required, an object',
            id="a word or an object",
        ),
        pytest.param(
            {"tool_choice": {"type": "f", "function": {"name": "a"}}},
            "tool_choice.type",
            'found "f"; allowed: function',
            id="in one of several",
        ),
        pytest.param(
            {"response_format": {"type": "xml"}},
            "response_format.type",
            'found "xml"; allowed: text, json_object, json_schema',
            id="format",
        ),
        pytest.param({"max_tokens": 0}, "max_tokens", "found 0; allowed: int >= 1", id="range"),
        pytest.param(
            {"max_tokens": "ten"}, "max_tokens", 'found "ten"; allowed: int | null', id="kind"
        ),
        pytest.param(
            {"temperature": 2.5}, "temperature", "found 2.5; allowed: float <= 2.0", id="float"
        ),
        pytest.param({"n": True}, "n", "found true; allowed: int | null", id="true"),
        pytest.param({"stop": ["a", 5]}, "stop[1]", "found 5; allowed: str", id="in a list"),
        pytest.param(
            {"stop": {"a": 1}}, "stop", "found an object; allowed: str | array | null", id="object"
        ),
        pytest.param(
            {"logit_bias": {"5": "a"}},
            "logit_bias[...]",
            "found str; allowed: float",
            id="behind a key of the client's",
        ),
        pytest.param(
            {"user": "u" * 300},
            "user",
            f'found "{"u" * 48}"... (300 characters); allowed: str of length <= 256',
            id="a long text is cut",
        ),
        pytest.param({"messages": []}, "messages", "found []; allowed: array", id="empty"),
        pytest.param(
            {"messages": ["a" * 99]},
            "messages[0]",
            f'found "{"a" * 48}"... (99 characters); allowed: object',
            id="text for an object",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_what_is_allowed(
    fields: dict[str, Any], param: str, words: str
) -> None:
    message, told = said(fields)
    assert message.startswith(f"{param}: {words}")
    assert told == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"messages": None}, "messages", id="null is as good as missing"),
        pytest.param({"messages": [{"content": "x"}]}, "messages[0].role", id="in a message"),
        pytest.param({"tools": [{}]}, "tools[0].function", id="in a tool"),
    ],
)
def test_a_missing_field_is_named(fields: dict[str, Any], param: str) -> None:
    assert said(fields) == (f"{param} is missing", param)


def test_a_body_without_anything_names_what_it_lacks() -> None:
    with pytest.raises(MalformedRequest, match="prompt is missing") as caught:
        completions.parse({}, Limits())
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("number", ["1e400", "9" * 30, "-" + "9" * 30, "1e-400"])
def test_a_number_beyond_all_bounds_is_refused_too(number: str) -> None:
    text = b'{"messages": [{"role": "user", "content": "x"}], "seed": %s}' % number.encode()
    with pytest.raises(MalformedRequest):
        chat.parse(decode_object(text, 64), Limits())
