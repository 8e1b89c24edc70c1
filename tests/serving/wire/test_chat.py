"""What a chat request may hold, and what of it the engine gets."""

from typing import Any

import msgspec
import pytest

from serving.config import Limits, OutputTokens
from serving.errors import (
    BifocalError,
    ContextOverflow,
    LimitExceeded,
    MalformedRequest,
    UnsupportedParameter,
)
from serving.values import Mode, ModelName
from serving.wire import chat, shapes
from serving.wire import request as wire

HELLO = {"role": "user", "content": "hello"}
LIMITS = Limits.model_validate(
    {"messages": 3, "tools": 2, "choices": 2, "stops": 2, "logprobs": 5, "schemaSize": "200B"}
)


def body(**fields: Any) -> dict[str, Any]:
    return {"messages": [HELLO], **fields}


def parse(**fields: Any) -> wire.WireRequest:
    return chat.parse(body(**fields), LIMITS)


def orders(mode: Mode = Mode.PLAIN, *, context: int = 4096, most: int = 1000) -> wire.Orders:
    return wire.Orders(
        model=ModelName("pocket-dense"),
        mode=mode,
        template_kwargs={"enable_thinking": mode is Mode.THINKING},
        sampling={"temperature": 0.7, "top_k": 20},
        output_tokens=most,
        context=context,
    )


def tool(name: str = "add", parameters: object = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


ALLOWED = {
    "model": "auto", "frequency_penalty": 0.5, "presence_penalty": -1, "logit_bias": {"5": -100},
    "logprobs": True, "max_tokens": 5, "max_completion_tokens": 5, "n": 2, "seed": 7,
    "response_format": {"type": "json_object"}, "stop": ["a", "b"], "stream": False,
    "temperature": 0, "top_p": 1, "tools": [tool()], "parallel_tool_calls": False,
    "tool_choice": "auto", "reasoning_effort": "high", "thinking_token_budget": 100,
    "include_reasoning": False, "user": "u", "chat_template_kwargs": {"enable_thinking": True},
    "top_k": -1, "min_p": 0.1, "repetition_penalty": 1.1, "stop_token_ids": [1], "min_tokens": 1,
    "ignore_eos": True, "bad_words": ["x"], "include_stop_str_in_output": True,
    "structured_outputs": {"choice": ["a", "b"]}, "allowed_token_ids": [1, 2],
}  # fmt: skip
"""One value that passes for each field of the table."""


@pytest.mark.parametrize("name", ALLOWED)
def test_a_field_of_the_table_passes(name: str) -> None:
    assert parse(**{name: ALLOWED[name]}).messages == [HELLO]


@pytest.mark.parametrize("name", ALLOWED)
def test_null_is_the_same_as_leaving_it_out(name: str) -> None:
    assert parse(**{name: None}).messages == [HELLO]


def test_the_table_and_these_examples_agree() -> None:
    names = {field.name for field in msgspec.structs.fields(shapes.ChatFields)}
    assert names - {"messages", "stream_options", "top_logprobs"} == ALLOWED.keys()


def test_null_does_not_reach_the_engine_which_takes_it_for_some_fields_alone() -> None:
    asked = body(**dict.fromkeys(ALLOWED))
    assert chat.parse(asked, LIMITS).body.keys() == {"messages"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        pytest.param({}, set(), id="no choice"),
        pytest.param({"tool_choice": "auto"}, set(), id="auto"),
        pytest.param({"tool_choice": "none"}, set(), id="none"),
        pytest.param({"tool_choice": "required"}, {"tool_choice"}, id="required, for vLLM to say"),
    ],
)
def test_an_empty_list_of_tools_is_none_at_all(choice: dict[str, Any], sent: set[str]) -> None:
    request = parse(tools=[], **choice)
    assert request.tools == 0
    assert request.body.keys() - {"messages"} == sent


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"functions": []}, "functions", id="at the top"),
        pytest.param({"messages": [{**HELLO, "x": 1}]}, "messages[0].x", id="in a message"),
        pytest.param(
            {"stream": True, "stream_options": {"x": 1}}, "stream_options.x", id="in options"
        ),
        pytest.param(
            {"chat_template_kwargs": {"x": 1}}, "chat_template_kwargs.x", id="a template's variable"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
            id="image",
        ),
        pytest.param(
            {"messages": [HELLO, {"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[1].content[0].type",
            id="audio",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        parse(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"messages": "hi"}, "messages", id="messages are no list"),
        pytest.param({"messages": []}, "messages", id="no messages"),
        pytest.param(
            {"messages": [{"role": "user", "content": 5}]}, "messages[0].content", id="number"
        ),
        pytest.param({"messages": [{"role": "user"}]}, "messages[0].content", id="no content"),
        pytest.param({"messages": [{"role": "judge"}]}, "messages[0].role", id="a strange role"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            id="a part without text",
        ),
        pytest.param({"temperature": "hot"}, "temperature", id="a word for a number"),
        pytest.param({"temperature": 2.5}, "temperature", id="too hot"),
        pytest.param({"top_p": 0}, "top_p", id="no share"),
        pytest.param({"n": 0}, "n", id="no choices"),
        pytest.param({"n": True}, "n", id="true is no number"),
        pytest.param({"max_tokens": 0}, "max_tokens", id="no tokens"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", id="half a token"),
        pytest.param({"seed": 2**63}, "seed", id="a seed too large"),
        pytest.param({"stream": "yes"}, "stream", id="a word for a switch"),
        pytest.param({"stop": ["a", 5]}, "stop[1]", id="a number for a stop"),
        pytest.param({"tools": [tool("a b")]}, "tools[0].function.name", id="a name with a space"),
        pytest.param({"reasoning_effort": "some"}, "reasoning_effort", id="a strange effort"),
        pytest.param({"stream_options": {}}, "stream_options", id="options without a stream"),
        pytest.param({"top_logprobs": 2}, "top_logprobs", id="logprobs not asked for"),
        pytest.param(
            {"response_format": {"type": "xml"}}, "response_format.type", id="a strange format"
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse(**fields)
    assert caught.value.param == param


BIG = {"type": "object", "description": "x" * 200}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"messages": [HELLO] * 4}, "messages", id="messages"),
        pytest.param({"tools": [tool()] * 3}, "tools", id="tools"),
        pytest.param({"n": 3}, "n", id="choices"),
        pytest.param({"stop": ["a", "b", "c"]}, "stop", id="stops"),
        pytest.param({"logprobs": True, "top_logprobs": 6}, "top_logprobs", id="logprobs"),
        pytest.param({"tools": [tool(parameters=BIG)]}, "tools[0].function", id="a tool's schema"),
        pytest.param(
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": BIG},
                }
            },
            "response_format",
            id="an answer's schema",
        ),
        pytest.param(
            {"structured_outputs": {"json": BIG}}, "structured_outputs", id="vLLM's schema"
        ),
    ],
)
def test_more_than_the_limit_is_refused_with_the_number(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(LimitExceeded, match=r"found \d+; allowed are at most \d+") as caught:
        parse(**fields)
    assert caught.value.param == param


def test_the_wishes_are_told_to_the_router_and_not_to_the_engine() -> None:
    request = parse(
        model="deep",
        reasoning_effort="high",
        chat_template_kwargs={"enable_thinking": False},
        tools=[tool()],
        user="someone",
    )
    assert (request.model, request.reasoning_effort, request.enable_thinking) == (
        "deep",
        "high",
        False,
    )
    assert request.tools == 1
    assert not {"reasoning_effort", "user", "chat_template_kwargs"} & request.body.keys()


def test_a_request_without_a_model_is_for_the_router() -> None:
    assert parse().model == "auto"


def test_text_parts_and_an_earlier_answer_pass() -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "2+2"}]},
        {
            "role": "assistant",
            "content": "4",
            "reasoning": "easy",
            "refusal": None,
            "annotations": None,
        },
    ]
    assert parse(messages=history).messages == history


def test_a_tools_answer_passes() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    history = [
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
    ]
    assert parse(messages=history).messages == history


def test_the_developers_role_is_the_templates_system() -> None:
    request = parse(messages=[{"role": "developer", "content": "be brief"}, HELLO])
    assert request.messages[0]["role"] == "system"


@pytest.mark.parametrize(
    ("options", "shown", "asked"),
    [
        pytest.param(
            None, False, {"include_usage": True, "continuous_usage_stats": False}, id="none"
        ),
        pytest.param(
            {"include_usage": True},
            True,
            {"include_usage": True, "continuous_usage_stats": False},
            id="at the end",
        ),
        pytest.param(
            {"include_usage": True, "continuous_usage_stats": True},
            True,
            {"include_usage": True, "continuous_usage_stats": True},
            id="all the time",
        ),
        pytest.param(
            {"continuous_usage_stats": True},
            False,
            {"include_usage": True, "continuous_usage_stats": False},
            id="all the time but not at all",
        ),
    ],
)
def test_usage_is_always_asked_of_the_engine(
    options: dict[str, bool] | None, shown: bool, asked: dict[str, bool]
) -> None:
    request = parse(stream=True, stream_options=options)
    assert request.include_usage is shown
    assert request.body["stream_options"] == asked


def test_the_route_becomes_the_engines_model_switch_and_sampling() -> None:
    request = parse(model="auto", temperature=0.1)
    wire.order(request, orders(Mode.THINKING))
    assert request.body["model"] == "pocket-dense"
    assert request.body["chat_template_kwargs"] == {"enable_thinking": True}
    assert (request.body["temperature"], request.body["top_k"]) == (0.1, 20)


def test_a_temperature_of_zero_is_a_wish_too() -> None:
    request = parse(temperature=0)
    wire.order(request, orders())
    assert request.body["temperature"] == 0


@pytest.mark.parametrize("param", ["max_tokens", "max_completion_tokens"])
def test_more_output_than_the_mode_allows_is_refused_with_the_number(param: str) -> None:
    with pytest.raises(LimitExceeded, match="at most 1000") as caught:
        wire.order(parse(**{param: 1001}), orders())
    assert caught.value.param == param


def test_the_newer_name_of_the_cap_wins() -> None:
    assert not wire.order(parse(max_tokens=9999, max_completion_tokens=5), orders())


@pytest.mark.parametrize("param", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("tokens", "fits"),
    [
        pytest.param(4095, True, id="all but a prompt of one token"),
        pytest.param(4096, False, id="all"),
        pytest.param(999_999, False, id="beyond every limit"),
    ],
)
def test_an_answer_that_no_prompt_fits_beside_is_refused_with_the_models_context(
    param: str, mode: Mode, tokens: int, fits: bool
) -> None:
    request, asked = parse(**{param: tokens}), orders(mode, context=4096, most=16_384)
    if fits:
        assert wire.order(request, asked) is False
        return
    with pytest.raises(ContextOverflow) as caught:
        wire.order(request, asked)
    assert caught.value.message == (
        f"{param} is {tokens}; pocket-dense has a context of 4096 tokens for prompt and answer "
        "together: at most 4095 could be asked for"
    )
    assert caught.value.body()["error"]["code"] == "context_length_exceeded"
    assert caught.value.param == param


def test_the_modes_cap_is_set_where_the_client_set_none() -> None:
    request = parse()
    assert wire.order(request, orders(context=4096, most=1000)) is True
    assert request.body["max_tokens"] == 1000
    wire.uncap(request)
    assert "max_tokens" not in request.body


def test_a_context_smaller_than_the_cap_needs_no_cap() -> None:
    request = parse()
    assert wire.order(request, orders(context=4096, most=16_384)) is False
    assert "max_tokens" not in request.body


def test_a_budget_for_thinking_means_nothing_without_thinking() -> None:
    request = parse(thinking_token_budget=5)
    wire.order(request, orders(Mode.PLAIN))
    assert "thinking_token_budget" not in request.body


def test_the_default_limits_are_those_of_the_file() -> None:
    assert Limits().output_tokens == OutputTokens(plain=16_384, thinking=38_912)
    with pytest.raises(BifocalError):
        chat.parse(body(n=Limits().choices + 1), Limits())
