"""`POST /v1/chat/completions`: from a JSON object to a request that may be routed."""

from typing import Any, Final

from serving.config import Limits
from serving.errors import MalformedRequest, UnsupportedParameter
from serving.values import AUTO
from serving.wire import request as wire
from serving.wire import shapes

_FOR_THE_GATEWAY: Final = ("user", "reasoning_effort", "chat_template_kwargs", "stream_options")
"""Read here, and not sent on: the route turns every wish about thinking into one switch."""

_NO_TOOLS: Final = ("tools", "tool_choice")
"""vLLM refuses an empty list, and a choice among none."""


def parse(body: dict[str, Any], limits: Limits) -> wire.WireRequest:
    fields = wire.check(body, shapes.ChatFields)
    _check_limits(fields, limits)
    for place, message in enumerate(fields.messages):
        _check_message(message, body["messages"][place], place)
    wire.drop(body, _FOR_THE_GATEWAY)
    if fields.tools == []:
        wire.drop(body, _NO_TOOLS if fields.tool_choice in ("auto", "none") else ("tools",))
    if fields.stream:
        wire.ask_for_usage(body, fields)
    switch = fields.chat_template_kwargs
    return wire.WireRequest(
        body=body,
        model=fields.model or AUTO,
        messages=body["messages"],
        stream=bool(fields.stream),
        include_usage=wire.include_usage(fields),
        cap=_cap(fields),
        choices=fields.n or 1,
        enable_thinking=None if switch is None else switch.enable_thinking,
        reasoning_effort=fields.reasoning_effort,
        tools=len(fields.tools or ()),
        is_chat=True,
    )


def _check_limits(fields: shapes.ChatFields, limits: Limits) -> None:
    wire.check_sampling(fields, limits)
    wire.within(len(fields.messages), limits.messages, "messages")
    wire.within(fields.top_logprobs or 0, limits.logprobs, "top_logprobs")
    if fields.top_logprobs and not fields.logprobs:
        msg = "top_logprobs needs logprobs: true"
        raise MalformedRequest(msg, param="top_logprobs")
    if fields.tools is not None:
        wire.within(len(fields.tools), limits.tools, "tools")
        for place, tool in enumerate(fields.tools):
            wire.check_schema(tool.function.parameters, limits, f"tools[{place}].function")


def _check_message(message: shapes.Message, raw: dict[str, Any], place: int) -> None:
    content = message.content
    if isinstance(content, list):
        _check_parts(content, place)
    elif content is None and message.role != "assistant":
        where = f"messages[{place}].content"
        msg = f"{where}: a {message.role} message needs content"
        raise MalformedRequest(msg, param=where)
    if message.role == "developer":
        raw["role"] = "system"  # OpenAI's newer word; Qwen3's template would drop it in silence


def _check_parts(parts: list[shapes.TextPart], place: int) -> None:
    for index, part in enumerate(parts):
        where = f"messages[{place}].content[{index}]"
        if part.type != "text":
            msg = f"{where}: a part of type {part.type[:64]} is not supported; allowed is text"
            raise UnsupportedParameter(msg, param=f"{where}.type")
        if part.text is None:
            msg = f"{where}: a text part needs text"
            raise MalformedRequest(msg, param=f"{where}.text")


def _cap(fields: shapes.ChatFields) -> wire.OutputCap | None:
    if fields.max_completion_tokens is not None:
        return wire.OutputCap(fields.max_completion_tokens, "max_completion_tokens")
    if fields.max_tokens is not None:
        return wire.OutputCap(fields.max_tokens, "max_tokens")
    return None
