"""The chat template: messages become the text a pocket model reads.

It renders `chat_template.jinja`, the same file that ships beside the weights, with the jinja
settings that transformers and vLLM use, so training and serving read one text. What the
template says is decided in the file; nothing here looks into messages.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Template
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILE = Path(__file__).with_name("chat_template.jinja")


def render(
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    thinking: bool | None = None,
    prompt: bool = True,
) -> str:
    """The text of a conversation, ending in the assistant's header when `prompt` is true."""
    known: dict[str, Any] = {} if thinking is None else {"enable_thinking": thinking}
    return _template().render(
        messages=messages, tools=list(tools), add_generation_prompt=prompt, **known
    )


@functools.cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    return environment.from_string(FILE.read_text("utf-8"))


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
