"""`POST /v1/completions`: a prompt without a template, so without thinking and without tools."""

from typing import Any, Final

from serving.config import Limits
from serving.errors import MalformedRequest
from serving.values import AUTO
from serving.wire import request as wire
from serving.wire import shapes

_FOR_THE_GATEWAY: Final = ("user", "stream_options")


def parse(body: dict[str, Any], limits: Limits) -> wire.WireRequest:
    fields = wire.check(body, shapes.CompletionFields)
    texts, prompts, longest = _read(fields.prompt)
    wire.check_sampling(fields, limits, prompts)
    wire.within(fields.logprobs or 0, limits.logprobs, "logprobs")
    wire.drop(body, _FOR_THE_GATEWAY)
    if fields.stream:
        wire.ask_for_usage(body, fields)
    return wire.WireRequest(
        body=body,
        model=fields.model or AUTO,
        messages=[{"role": "user", "content": text} for text in texts],
        stream=bool(fields.stream),
        include_usage=wire.include_usage(fields),
        cap=None if fields.max_tokens is None else wire.OutputCap(fields.max_tokens, "max_tokens"),
        choices=(fields.n or 1) * prompts,
        prompt_tokens=longest,
    )


def _read(prompt: str | list[Any]) -> tuple[list[str], int, int]:
    """The texts in it, how many prompts it holds, and the tokens that the longest has at least."""
    if isinstance(prompt, str):
        return [prompt], 1, 1
    kinds = {type(item) for item in prompt}
    if kinds == {str}:
        return prompt, len(prompt), 1
    if kinds == {int}:
        return [""], 1, len(prompt)
    if kinds == {list}:
        return [""], len(prompt), max(1, *map(len, prompt))
    msg = "prompt: texts, tokens and lists of tokens do not mix"
    raise MalformedRequest(msg, param="prompt")
