"""What counts as right."""

import pytest

from deploy.pocket.exam import Question, Row
from deploy.pocket.grade import Reply, right

SUM = Question(Row.EASY, "sum", "en", (), number=42)
FACT = Question(Row.EASY, "capital", "en", (), text="Paris")
TOOL = Question(
    Row.TOOL, "convert", "en", (), call={"name": "convert", "arguments": {"amount": 5, "to": "EUR"}}
)


@pytest.mark.parametrize(
    ("question", "content", "verdict"),
    [
        (SUM, "42", True),
        (SUM, "The sum is 42.", True),
        (SUM, "42 or 43", False),
        (SUM, "142", False),
        (SUM, "", False),
        (FACT, " paris.", True),
        (FACT, "Paris or Rome", False),
        (TOOL, "convert", False),
    ],
)
def test_text(question, content, verdict):
    assert right(question, Reply(content)) is verdict


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ((("convert", '{"to": "EUR", "amount": 5}'),), True),
        ((("convert", '{"to": "EUR", "amount": "5"}'),), False),
        ((("convert", '{"to": "EUR"}'),), False),
        ((("other", '{"to": "EUR", "amount": 5}'),), False),
        ((("convert", '{"to": "EUR", "amount": 5}'),) * 2, False),
        ((("convert", "{"),), False),
    ],
)
def test_calls(calls, verdict):
    assert right(TOOL, Reply("", calls)) is verdict


def test_a_call_where_none_was_needed_is_wrong():
    assert not right(SUM, Reply("42", (("convert", "{}"),)))
