"""What both endpoints share: a body against its table of fields and the limits, and what of it
the engine gets.

A body is checked once and then kept as the plain object that the client sent, so that nothing is
built anew on the way to the engine but the fields that the route decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from serving.config import Limits
from serving.errors import ContextOverflow, LimitExceeded, MalformedRequest
from serving.values import Mode, ModelName
from serving.wire import beyond, shapes, wrong
from serving.wire.json import encode

Fields = TypeVar("Fields", bound=shapes.Sampling)


class OutputCap(NamedTuple):
    """The tokens of answer that the client asked for, and by which field."""

    tokens: int
    param: str


@dataclass(slots=True)
class WireRequest:
    """A request that passed. `body` is the client's own, without what only the gateway reads."""

    body: dict[str, Any]
    model: str
    messages: Sequence[Mapping[str, Any]]
    """As the router reads them."""
    stream: bool
    include_usage: bool
    cap: OutputCap | None = None
    choices: int = 1
    prompt_tokens: int = 1
    """That the prompt has at least, as far as can be known without the model's tokenizer."""
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None
    tools: int = 0
    is_chat: bool = False
    """Rendered by the model's template, which has the switch for thinking. Without `max_tokens`
    the engine then takes all the context that is left; of a bare prompt, 16 tokens."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What the route decides about a body."""

    model: ModelName
    mode: Mode
    template_kwargs: Mapping[str, bool]
    sampling: Mapping[str, float | int]
    output_tokens: int
    """The mode's cap."""
    context: int


def check(body: dict[str, Any], table: type[Fields]) -> Fields:
    """The body as its table describes it, and without what asks for nothing. Errors name the
    field."""
    if beyond_table := body.keys() - NAMES[table]:
        beyond.settle(body, beyond_table, NAMES[table])
    if None in body.values():  # unset; vLLM takes it for some of its fields, and not for others
        drop(body, [name for name, value in body.items() if value is None])
    try:
        return msgspec.convert(body, table)
    except msgspec.ValidationError as error:
        raise wrong.refusal(error, body, table) from None


NAMES: Final[Mapping[type, frozenset[str]]] = {
    table: frozenset(field.name for field in msgspec.structs.fields(table))
    for table in (shapes.ChatFields, shapes.CompletionFields)
}


def within(number: int, most: int, param: str, what: str = "") -> None:
    """Refuses a count above its limit, with the number allowed."""
    if number > most:
        subject = what or param
        msg = f"{subject}: found {number}; allowed are at most {most}"
        raise LimitExceeded(msg, param=param)


def check_sampling(fields: shapes.Sampling, limits: Limits, prompts: int = 1) -> None:
    """The limits that both endpoints share."""
    within((fields.n or 1) * prompts, limits.choices, "n", "n (choices in all)")
    if isinstance(fields.stop, list):
        within(len(fields.stop), limits.stops, "stop", "stop strings")
    if fields.stream_options is not None and not fields.stream:
        msg = "stream_options needs stream: true"
        raise MalformedRequest(msg, param="stream_options")
    if fields.response_format is not None:
        check_schema(fields.response_format, limits, "response_format")
    if fields.structured_outputs is not None:
        check_schema(fields.structured_outputs, limits, "structured_outputs")


def check_schema(schema: object, limits: Limits, param: str) -> None:
    within(len(encode(schema)), limits.schema_size, param, f"bytes of {param}")


def include_usage(fields: shapes.Sampling) -> bool:
    return fields.stream_options is not None and bool(fields.stream_options.include_usage)


def drop(body: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        body.pop(name, None)


def order(request: WireRequest, orders: Orders) -> bool:
    """Turns the body into what the engine gets; True when the output cap in it is ours.

    vLLM refuses a `max_tokens` that does not fit behind the prompt, and clamps one that is left
    out. So a cap of ours that is refused may be left out: what is left of the context is less.
    """
    body = request.body
    body["model"] = orders.model
    for name, value in orders.sampling.items():
        if body.get(name) is None:
            body[name] = value
    if orders.template_kwargs:
        body["chat_template_kwargs"] = orders.template_kwargs
    if orders.mode is Mode.PLAIN:
        body.pop("thinking_token_budget", None)
    return _cap_output(request, orders)


def _check_context(request: WireRequest, orders: Orders) -> None:
    """Refuses what cannot fit whatever the text is; the engine, which counts tokens, the rest."""
    tokens, param = request.cap or OutputCap(1, "prompt")
    prompt = request.prompt_tokens
    if prompt + tokens <= orders.context:
        return
    there = (
        f"{orders.model} has a context of {orders.context} tokens for prompt and answer together"
    )
    if prompt >= orders.context:
        raise ContextOverflow(f"the prompt has {prompt} tokens; {there}", param="prompt")
    left = f"the prompt's {prompt} leave {orders.context - prompt}"
    if prompt == 1:  # and nobody counted it
        left = f"at most {orders.context - 1} could be asked for"
    raise ContextOverflow(f"{param} is {tokens}; {there}: {left}", param=param)


def _cap_output(request: WireRequest, orders: Orders) -> bool:
    _check_context(request, orders)
    if request.cap is not None:
        tokens, param = request.cap
        if tokens > orders.output_tokens:
            msg = (
                f"{param} is {tokens}; allowed are at most {orders.output_tokens} "
                f"({orders.model}, {orders.mode})"
            )
            raise LimitExceeded(msg, param=param)
        return False
    if not request.is_chat or orders.context <= orders.output_tokens:
        return False
    request.body["max_tokens"] = orders.output_tokens
    return True


def uncap(request: WireRequest) -> None:
    """Takes back a cap of ours."""
    request.body.pop("max_tokens", None)


def ask_for_usage(body: dict[str, Any], fields: shapes.Sampling) -> None:
    """Usage is always asked of the engine; who did not ask for it does not see it."""
    asked = fields.stream_options
    every = asked is not None and asked.include_usage and asked.continuous_usage_stats
    body["stream_options"] = {"include_usage": True, "continuous_usage_stats": bool(every)}
