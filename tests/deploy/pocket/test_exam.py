"""The exam asks in its own words, repeatably, and knows the right answers."""

import json

import pytest

from deploy.pocket import exam, noise, tools
from deploy.pocket.exam import Row, questions
from deploy.pocket.grade import Reply, right
from deploy.pocket.phrasebook import languages

CODES = [language.code for language in languages()]


def test_eight_languages_or_more():
    assert len(CODES) >= 8


@pytest.mark.parametrize("language", languages(), ids=CODES)
def test_exam_and_training_share_no_wording(language):
    trained = {_bare(text) for wordings in language.wordings() for text in wordings.train}
    asked = {_bare(text) for wordings in language.wordings() for text in wordings.exam}
    assert asked
    assert not trained & asked


@pytest.mark.parametrize("kind", tools.EXAM)
def test_exam_and_training_share_no_tool(kind):
    trained, asked = tools.TRAINING[kind], tools.EXAM[kind]
    assert not set(trained.names) & set(asked.names)
    assert not set(trained.descriptions) & set(asked.descriptions)
    assert not set(trained.parameters) & set(asked.parameters)


def test_exam_and_training_share_no_system_prompt():
    assert not set(noise.SYSTEMS) & set(exam.SYSTEMS)


@pytest.mark.parametrize("row", Row)
def test_the_same_seed_asks_the_same(row):
    assert questions(row, 40, 7) == questions(row, 40, 7)
    assert questions(row, 40, 7) != questions(row, 40, 8)


@pytest.mark.parametrize("row", Row)
def test_languages_are_asked_alike(row):
    asked = [question.language for question in questions(row, 5 * len(CODES), 1)]
    assert {asked.count(code) for code in CODES} == {5}


def test_hard_sums_need_steps():
    for question in questions(Row.HARD, 50, 3):
        assert question.number is not None
        assert question.number >= 1000


@pytest.mark.parametrize("row", Row)
def test_the_right_answer_is_right_and_another_is_wrong(row):
    for question in questions(row, 60, 5):
        good, bad = _good(question), _bad(question)
        assert right(question, good)
        assert not right(question, bad)
        assert not right(question, Reply(error="503"))


def _good(question):
    if question.call:
        call = question.call["name"], json.dumps(question.call["arguments"])
        return Reply("", (call,))
    return Reply(question.text if question.text else f"{question.number}")


def _bad(question):
    if question.call:
        return Reply("", ((question.call["name"], "{}"),))
    return Reply("something else" if question.text else f"{question.number + 1}")


def _bare(text):
    return "".join(c for c in text.casefold() if c.isalnum() or c in "{}")
