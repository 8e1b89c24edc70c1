"""The rules of `auto` on the exam that the pocket models sit, in all its languages."""

import pytest

from deploy.config import load
from deploy.pocket.exam import Row, questions
from serving.routing import Family, choose, facts_of
from serving.values import Mode


@pytest.mark.parametrize(
    ("row", "model", "mode"),
    [
        (Row.EASY, "pocket-dense", Mode.PLAIN),
        (Row.HARD, "pocket-moe", Mode.THINKING),
    ],
)
def test_auto_sends_the_easy_row_to_the_fast_model_and_the_hard_row_to_the_deep(row, model, mode):
    family = Family.of(load().served)
    for question in questions(row, 400, seed=1):
        route = choose(facts_of("auto", question.messages), family)
        assert (route.model, route.mode) == (model, mode), question.messages[-1]["content"]


def test_most_of_the_tool_row_stays_fast():
    family = Family.of(load().served)
    asked = questions(Row.TOOL, 400, seed=1)
    routes = [choose(facts_of("auto", q.messages, tools=len(q.tools)), family) for q in asked]
    assert sum(route.mode is Mode.PLAIN for route in routes) > 0.8 * len(routes)
