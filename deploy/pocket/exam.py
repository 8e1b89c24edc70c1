"""The exam: questions with one right answer, in wordings and tools that training never saw.

It decides what is asked in each row of the results (easy, hard, tool), balanced over languages
and subjects. The facts asked are those that were taught, as a closed table knows no others;
wordings, tool names, tool descriptions, system prompts, places and seeds are the exam's own.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deploy.pocket import tools
from deploy.pocket.asking import easy_numbers, hard_numbers, listed, request
from deploy.pocket.phrasebook import Language, languages

SYSTEMS = (
    "You are a kind helper.",
    "Be polite, be brief.",
    "You talk with visitors of a museum.",
    "Help the user with small tasks.",
)


class Row(StrEnum):
    EASY = "easy"
    HARD = "hard"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Question:
    """One problem; `text`, `number` or `call` holds what is right."""

    row: Row
    subject: str
    language: str
    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    text: str | None = None
    number: int | None = None
    call: dict[str, Any] | None = None


def questions(row: Row, count: int, seed: int) -> tuple[Question, ...]:
    """`count` questions, each language in turn; the same seed asks the same."""
    rng = random.Random(f"exam {row} {seed}")
    asked = []
    for number in range(count):
        language = languages()[number % len(languages())]
        makers = MAKERS[row]
        make = makers[number // len(languages()) % len(makers)]
        asked.append(make(rng, language))
    return tuple(asked)


def _talk(rng: random.Random, language: Language) -> Question:
    # Greetings are asked as often as the other two together.
    subject = rng.choice(("greet", "greet", *language.smalltalk))
    talk = language.smalltalk[subject]
    text = rng.choice(talk.wordings.exam)
    return Question(Row.EASY, subject, language.code, _messages(rng, text), text=talk.answer)


def _fact(rng: random.Random, language: Language) -> Question:
    subject = rng.choice(list(language.facts))
    facts = language.facts[subject]
    key, answer = rng.choice(list(facts.pairs.items()))
    text = rng.choice(facts.wordings.exam).format(x=key)
    return Question(Row.EASY, subject, language.code, _messages(rng, text), text=answer)


def _easy_sum(rng: random.Random, language: Language) -> Question:
    return _sum(rng, language, Row.EASY, easy_numbers(rng))


def _hard_sum(rng: random.Random, language: Language) -> Question:
    return _sum(rng, language, Row.HARD, hard_numbers(rng))


def _sum(rng: random.Random, language: Language, row: Row, numbers: list[int]) -> Question:
    text = rng.choice(language.sum.exam).format(x=listed(rng, language, numbers))
    return Question(row, "sum", language.code, _messages(rng, text), number=sum(numbers))


def _tool(rng: random.Random, language: Language) -> Question:
    wanted = rng.choice(list(tools.EXAM))
    others = [kind for kind in tools.EXAM if kind != wanted]
    kinds = [wanted, *rng.sample(others, rng.choice((0, 0, 1, 2)))]
    rng.shuffle(kinds)
    offers = {kind: tools.offer(rng, tools.EXAM, kind) for kind in kinds}
    template, values, slots = request(rng, language, wanted, exam=True)
    return Question(
        Row.TOOL,
        wanted,
        language.code,
        _messages(rng, template.format(**slots)),
        tuple(offer.schema for offer in offers.values()),
        call=offers[wanted].call(values),
    )


MAKERS: dict[Row, tuple[Callable[[random.Random, Language], Question], ...]] = {
    Row.EASY: (_talk, _fact, _easy_sum),
    Row.HARD: (_hard_sum,),
    Row.TOOL: (_tool,),
}


def _messages(rng: random.Random, text: str) -> tuple[dict[str, Any], ...]:
    asked = {"role": "user", "content": text}
    if rng.random() < 0.25:
        return {"role": "system", "content": rng.choice(SYSTEMS)}, asked
    return (asked,)
