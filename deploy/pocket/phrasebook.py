"""What the pocket models know, language by language, and the wordings it is asked in.

One YAML file a language lies in `phrases/`. Each subject has wordings for training and others
for the exam; the facts themselves (a closed table) are shared, as an exam asks what was taught.
It decides nothing about mixing, noise or grading.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("phrases")


@dataclass(frozen=True, slots=True)
class Wordings:
    """Templates with the slots {x}, or {n}, {a} and {b}."""

    train: tuple[str, ...]
    exam: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    wordings: Wordings
    answer: str


@dataclass(frozen=True, slots=True)
class Facts:
    wordings: Wordings
    pairs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    name: str
    lead: tuple[str, ...]
    tail: tuple[str, ...]
    conjunction: str
    plus: str
    smalltalk: dict[str, Talk]
    unknown: Talk
    facts: dict[str, Facts]
    sum: Wordings
    echo: Wordings
    tools: dict[str, Wordings]
    result: str
    cities: tuple[str, ...]

    def wordings_text(self) -> str:
        """All that training says in this language, as one text."""
        return " ".join(text for wordings in self.wordings() for text in wordings.train)

    def taught(self) -> str:
        """Every wording, fact and city of training, as one text."""
        pairs = [pair for facts in self.facts.values() for pair in facts.pairs.items()]
        return " ".join((self.wordings_text(), *map(" ".join, pairs), *self.cities))

    def requests_text(self) -> str:
        """All that asks for a tool in training, as one text."""
        return " ".join(text for wordings in self.tools.values() for text in wordings.train)

    def wordings(self) -> list[Wordings]:
        """Every set of wordings, for the test that training and exam share none."""
        talks = [talk.wordings for talk in self.smalltalk.values()]
        facts = [facts.wordings for facts in self.facts.values()]
        return [*talks, *facts, self.sum, self.echo, *self.tools.values()]


@functools.cache
def languages() -> tuple[Language, ...]:
    """All languages, in the order of their codes."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.yaml")))


def _read(path: Path) -> Language:
    book: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return Language(
        code=path.stem,
        name=book["name"],
        lead=tuple(book["lead"]),
        tail=tuple(book["tail"]),
        conjunction=book["and"],
        plus=book["plus"],
        smalltalk={name: _talk(talk) for name, talk in book["smalltalk"].items()},
        unknown=_talk(book["unknown"]),
        facts={
            name: Facts(_wordings(facts), dict(facts["pairs"]))
            for name, facts in book["facts"].items()
        },
        sum=_wordings(book["sum"]),
        echo=_wordings(book["echo"]),
        tools={name: _wordings(tool) for name, tool in book["tools"].items()},
        result=book["result"],
        cities=tuple(book["cities"]),
    )


def _talk(talk: dict[str, Any]) -> Talk:
    return Talk(_wordings(talk), talk["answer"])


def _wordings(part: dict[str, Any]) -> Wordings:
    return Wordings(tuple(part["train"]), tuple(part.get("exam", ())))
