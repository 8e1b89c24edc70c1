from typing import Any

import pytest

from serving.config import Limits
from serving.errors import (
    BifocalError,
    ContextOverflow,
    LimitExceeded,
    MalformedRequest,
    UnsupportedParameter,
)
from serving.values import Mode, ModelName
from serving.wire import completions
from serving.wire import request as wire

LIMITS = Limits.model_validate({"choices": 4, "logprobs": 5})


def parse(**fields: Any) -> wire.WireRequest:
    return completions.parse({"prompt": "once", **fields}, LIMITS)


@pytest.mark.parametrize(
    ("prompt", "choices"),
    [
        pytest.param("once upon", 1, id="text"),
        pytest.param(["once", "twice"], 2, id="texts"),
        pytest.param([1, 2, 3], 1, id="tokens"),
        pytest.param([[1, 2], [3]], 2, id="lists of tokens"),
    ],
)
def test_a_prompt_may_be_text_or_tokens(prompt: object, choices: int) -> None:
    request = parse(prompt=prompt)
    assert request.choices == choices
    assert request.body["prompt"] == prompt


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param({"prompt": ["a", 1]}, MalformedRequest, id="texts and tokens"),
        pytest.param({"prompt": []}, MalformedRequest, id="no prompt"),
        pytest.param({"prompt": None}, MalformedRequest, id="null"),
        pytest.param({"prompt": ["a"] * 3, "n": 2}, LimitExceeded, id="choices in all"),
        pytest.param({"logprobs": 6}, LimitExceeded, id="logprobs"),
        pytest.param({"messages": []}, UnsupportedParameter, id="a chat's field"),
        pytest.param({"suffix": "x"}, UnsupportedParameter, id="suffix"),
        pytest.param({"prompt_embeds": "x"}, UnsupportedParameter, id="embeddings"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], kind: type[BifocalError]) -> None:
    with pytest.raises(kind):
        parse(**fields)


def test_the_router_sees_the_texts() -> None:
    assert parse(prompt=["a", "b"]).messages == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]


def test_the_engines_own_small_cap_is_left_to_it() -> None:
    request = parse()
    orders = wire.Orders(ModelName("m"), Mode.PLAIN, {}, {"top_k": 20}, 100, 4096)
    assert wire.order(request, orders) is False
    assert request.body == {"prompt": "once", "model": "m", "top_k": 20}


@pytest.mark.parametrize(
    ("fields", "said", "param"),
    [
        pytest.param(
            {"prompt": [7] * 4000, "max_tokens": 97},
            "max_tokens is 97; m has a context of 4096 tokens for prompt and answer together: "
            "the prompt's 4000 leave 96",
            "max_tokens",
            id="prompt and answer",
        ),
        pytest.param(
            {"prompt": [[1], [7] * 4000], "max_tokens": 97},
            "the prompt's 4000 leave 96",
            "max_tokens",
            id="the longest of several",
        ),
        pytest.param(
            {"prompt": [7] * 4096},
            "the prompt has 4096 tokens; m has a context of 4096",
            "prompt",
            id="the prompt alone",
        ),
        pytest.param({"max_tokens": 4096}, "at most 4095", "max_tokens", id="beside any text"),
    ],
)
def test_what_cannot_fit_in_the_context_is_refused_by_the_numbers(
    fields: dict[str, Any], said: str, param: str
) -> None:
    orders = wire.Orders(ModelName("m"), Mode.PLAIN, {}, {}, 16_384, 4096)
    with pytest.raises(ContextOverflow) as caught:
        wire.order(parse(**fields), orders)
    assert said in caught.value.message
    assert caught.value.param == param


@pytest.mark.parametrize("tokens", [1, 96])
def test_tokens_that_just_fit_pass(tokens: int) -> None:
    orders = wire.Orders(ModelName("m"), Mode.PLAIN, {}, {}, 16_384, 4096)
    assert wire.order(parse(prompt=[7] * 4000, max_tokens=tokens), orders) is False
