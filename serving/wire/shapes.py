"""The fields that a request may hold, with their types and ranges: the allow-list, as a table.

vLLM takes many more and ignores what it does not know; here a field stands in the table, asks for
nothing (`beyond`), or is refused by name. Ranges are vLLM's own where it has one. What depends on
the configured limits or on the model is checked by the endpoint's own module.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=256)]
Count = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2.0, le=2.0)]
Share = Annotated[float, Meta(gt=0.0, le=1.0)]
TokenIds = Annotated[list[Natural], Meta(max_length=1024)]


class Closed(Struct, forbid_unknown_fields=True, gc=False):
    """A shape without room for more."""


class TextPart(Struct, gc=False):
    """Open, so that a part of another kind is refused by its kind and not by a stray field."""

    type: str
    text: str | None = None


class Called(Closed):
    name: str
    arguments: str


class ToolCall(Closed):
    id: str
    function: Called
    type: Literal["function"] = "function"
    index: int | None = None


class Message(Closed):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    """An answer of the official client, sent back as it came, holds these last four."""
    audio: None = None
    function_call: None = None


class Function(Closed):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Closed):
    function: Function
    type: Literal["function"] = "function"


class ChosenFunction(Closed):
    name: str


class ChosenTool(Closed):
    function: ChosenFunction
    type: Literal["function"] = "function"


class StreamOptions(Closed):
    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class TemplateKwargs(Closed):
    enable_thinking: bool | None = None


class NamedSchema(Closed):
    name: Text
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Closed):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None


class StructuredOutputs(Closed):
    json: str | dict[str, Any] | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None


class Sampling(Closed, kw_only=True):
    """What both endpoints take."""

    model: str | None = None
    n: Count | None = None
    max_tokens: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    seed: Int64 | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=300)] | None = None
    user: Text | None = None
    """Taken and dropped: the engine does nothing with it."""
    # vLLM's own
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0.0, le=2.0)] | None = None
    min_tokens: Natural | None = None
    stop_token_ids: TokenIds | None = None
    allowed_token_ids: TokenIds | None = None
    bad_words: Annotated[list[Text], Meta(max_length=64)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None


class ChatFields(Sampling, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Natural | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    include_reasoning: bool | None = None
    thinking_token_budget: Natural | None = None
    chat_template_kwargs: TemplateKwargs | None = None


class CompletionFields(Sampling, kw_only=True):
    prompt: str | Annotated[list[str | Natural | list[Natural]], Meta(min_length=1)]
    """Text, tokens, or several of either."""
    logprobs: Natural | None = None
    echo: bool | None = None
