"""The chat template against what Qwen3's format asks for."""

import pytest

from deploy.pocket.template import render

ASK = {"role": "user", "content": "Hi"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    ],
}


@pytest.mark.parametrize(
    ("thinking", "opening"),
    [(None, ""), (True, ""), (False, "<think>\n\n</think>\n\n")],
    ids=["unset", "on", "off"],
)
def test_only_a_refusal_to_think_opens_the_answer(thinking, opening):
    expected = f"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{opening}"
    assert render([ASK], thinking=thinking) == expected


@pytest.mark.parametrize(
    ("text", "thinking", "ending"),
    [
        ("Hi /no_think", None, "user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n"),
        ("Hi /no_think", True, "user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n"),
        ("Hi /no_think /think", None, "user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("/think Hi", False, "user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ("see /think/tank", None, "assistant\n"),
    ],
)
def test_the_last_switch_wins_unless_thinking_is_off(text, thinking, ending):
    assert render([{"role": "user", "content": text}], thinking=thinking).endswith(ending)


def test_a_switch_lasts_until_the_next():
    messages = [
        {"role": "user", "content": "Hi /no_think"},
        {"role": "assistant", "content": "Hello!"},
        ASK,
    ]
    assert render(messages).endswith("<think>\n\n")


def test_system_and_tools_share_a_turn():
    text = render([{"role": "system", "content": "Be kind."}, ASK], tools=[WEATHER])
    assert text.startswith("<|im_start|>system\nBe kind.\n\n# Tools\n\n")
    assert (
        '<tools>\n{"type": "function", "function": {"description": "Weather in a city", '
        '"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": '
        '"string"}}, "required": ["city"]}}}\n</tools>\n'
    ) in text
    assert text.count("<|im_start|>system") == 1


def test_a_tool_needs_no_description():
    bare = {"type": "function", "function": {"name": "ping"}}
    text = render([ASK], tools=[bare])
    assert '{"type": "function", "function": {"description": "", "name": "ping"}}\n' in text


def test_a_call_and_its_answer_come_back_as_text():
    text = render([ASK, CALL, {"role": "tool", "content": "18 °C"}], tools=[WEATHER])
    assert text.endswith(
        '<|im_start|>assistant\n<tool_call>\n{"name": "get_weather", "arguments": '
        '{"city": "Paris"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n18 °C\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_answers_of_several_tools_share_a_turn():
    answers = [{"role": "tool", "content": "one"}, {"role": "tool", "content": "two"}]
    text = render([ASK, CALL, *answers])
    assert (
        "<|im_start|>user\n<tool_response>\none\n</tool_response>\n"
        "<tool_response>\ntwo\n</tool_response><|im_end|>\n"
    ) in text


@pytest.mark.parametrize(
    "past",
    [
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello!"},
        {"role": "assistant", "content": "Hello!", "reasoning_content": "hm"},
        {"role": "assistant", "content": "Hello!", "reasoning": "hm"},
    ],
    ids=["in the text", "reasoning_content", "reasoning"],
)
def test_thoughts_of_earlier_turns_are_forgotten(past):
    text = render([ASK, past, ASK])
    assert "hm" not in text
    assert "<|im_start|>assistant\nHello!<|im_end|>\n" in text


def test_thoughts_are_kept_within_the_turn_that_calls_tools():
    text = render([ASK, CALL | {"reasoning_content": "tool"}, {"role": "tool", "content": "1"}])
    assert "<think>\ntool\n</think>\n\n<tool_call>" in text
