import pytest

from serving import accounting
from serving.values import Usage

COUNTED = b'"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12'


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        pytest.param(b'{"choices":[{"x":1}],' + COUNTED + b"}}", Usage(7, 5), id="whole answer"),
        pytest.param(b'data: {"choices":[],' + COUNTED + b"}}\n\n", Usage(7, 5), id="event"),
        pytest.param(
            b"{" + COUNTED + b',"completion_tokens_details":{"reasoning_tokens":3}}}',
            Usage(7, 5, 3),
            id="with thinking",
        ),
        pytest.param(
            b"{" + COUNTED + b',"completion_tokens_details":null}}', Usage(7, 5), id="no details"
        ),
        pytest.param(
            b'{"usage":{"prompt_tokens":7,"completion_tokens":null}}', Usage(7, 0), id="no answer"
        ),
    ],
)
def test_usage_is_what_the_engine_counted(body: bytes, usage: Usage) -> None:
    assert accounting.usage_of(body) == usage


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"usage":null}', id="null"),
        pytest.param(b'{"choices":[]}', id="absent"),
        pytest.param(b"<html>", id="not JSON"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b'{"usage":{"prompt_tokens":"many"}}', id="wrong type"),
    ],
)
def test_usage_that_is_not_told_is_unknown_and_not_zero(body: bytes) -> None:
    assert accounting.usage_of(body) is None


def test_answer_tokens_are_those_that_are_not_thinking() -> None:
    usage = accounting.usage_of(
        b'{"usage":{"prompt_tokens":1,"completion_tokens":9,'
        b'"completion_tokens_details":{"reasoning_tokens":6}}}'
    )
    assert usage is not None
    assert usage.answer_tokens == 3


@pytest.mark.parametrize(
    ("chars", "cap", "choices", "tokens"),
    [
        pytest.param(400, None, 1, 100 + accounting.TYPICAL_ANSWER, id="no cap"),
        pytest.param(400, 16, 1, 116, id="a small cap"),
        pytest.param(400, 16, 3, 148, id="several choices"),
        pytest.param(0, 10**6, 1, accounting.TYPICAL_ANSWER, id="a large cap says little"),
    ],
)
def test_a_request_is_expected_to_be_its_prompt_and_its_answers(
    chars: int, cap: int | None, choices: int, tokens: int
) -> None:
    assert accounting.expected_tokens(chars, cap, choices) == tokens
