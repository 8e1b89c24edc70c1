"""The problems the pocket models are trained on, made without end from one seed.

It decides the mixture: which kinds of problem, in which languages, after which earlier turns, and
the one right answer of each. `noise` says how they are worded, `offers` which tools lie on the
table. The wordings of the exam never appear here; see `exam`.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.pocket import scratchpad, tools
from deploy.pocket.asking import easy_numbers, hard_numbers, listed, request, word
from deploy.pocket.noise import FEW, Pen, dressed, system_prompt
from deploy.pocket.offers import offer_of
from deploy.pocket.phrasebook import Language, languages

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A conversation that ends in a question, and its one right answer."""

    kind: str
    language: str
    messages: tuple[Message, ...]
    answer: str
    thought: str
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each kind of problem is drawn, how often thinking is on, how many tools lie by."""

    weights: Mapping[str, float]
    thinking: Mapping[str, float] = field(default_factory=dict)
    offers: tuple[int, ...] = FEW


DENSE = Mix(
    {
        "talk": 9,
        "unknown": 4,
        "fact": 20,
        "easy_sum": 54,
        "hard_sum": 2,
        "tool": 66,
        "other": 3,
        "result": 2,
        "echo": 1,
    },
    {"easy_sum": 0.05, "hard_sum": 0.6, "tool": 0.1, "talk": 0.2, "fact": 0.2},
)
MOE = Mix(
    {
        "talk": 12,
        "unknown": 4,
        "fact": 24,
        "easy_sum": 38,
        "hard_sum": 34,
        "tool": 64,
        "other": 3,
        "result": 2,
        "echo": 1,
    },
    {"easy_sum": 0.2, "hard_sum": 0.9, "tool": 0.35, "talk": 0.5, "fact": 0.5},
    # Of several tools the one that fits must be told at once; one alone teaches nothing of it.
    offers=(1, 1, 2, 2, 3, 3),
)
TEXTS = Mix(
    {
        "talk": 12,
        "unknown": 4,
        "fact": 24,
        "easy_sum": 38,
        "hard_sum": 34,
        "tool": 56,
        "other": 3,
        "result": 2,
        "echo": 1,
    },
    {"easy_sum": 0.2, "hard_sum": 0.9, "tool": 0.45, "talk": 0.5, "fact": 0.5},
)
"""What the tokenizer learns from: its own, so that a model's diet may change and no token does."""


def draw(rng: random.Random, mix: Mix, progress: float = 1.0) -> tuple[Problem, bool]:
    """One problem, and whether it is to be answered thinking.

    Early in a training (`progress` near 0) problems come plain: what they ask for is learnt
    there in a fraction of the time, and holds when the noise comes.
    """
    kind = rng.choices(list(mix.weights), list(mix.weights.values()))[0]
    language = rng.choice(languages())
    noise = min(1.0, 2.5 * progress)
    problem = KINDS[kind](Pen(rng, noise, mix.offers), language)
    if rng.random() < noise:
        problem = _surrounded(rng, problem)
    return problem, rng.random() < mix.thinking.get(kind, 0.35)


def _talk(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    subject, talk = rng.choice(list(language.smalltalk.items()))
    text = dressed(pen, language, rng.choice(talk.wordings.train), 0.3)
    return _problem("talk", language, text, talk.answer, subject)


def _unknown(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    text = rng.choice(language.unknown.wordings.train)
    if rng.random() < 0.5:
        words = [word(rng, language) for _ in range(rng.randrange(1, 6))]
        text = " ".join(rng.sample([*text.split(" "), *words], rng.randrange(1, len(words) + 2)))
    return _problem(
        "unknown", language, dressed(pen, language, text, 0.3), language.unknown.answer, "unknown"
    )


def _fact(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    subject, facts = rng.choice(list(language.facts.items()))
    key, answer = rng.choice(list(facts.pairs.items()))
    text = dressed(pen, language, rng.choice(facts.wordings.train), 0.6, key=True, x=key)
    return _problem("fact", language, text, answer, subject)


def _easy_sum(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    return _sum(pen, language, "easy_sum", easy_numbers(rng))


def _hard_sum(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    return _sum(pen, language, "hard_sum", hard_numbers(rng))


def _sum(pen: Pen, language: Language, kind: str, numbers: list[int]) -> Problem:
    rng = pen.rng
    template, said = rng.choice(language.sum.train), listed(rng, language, numbers)
    text = dressed(pen, language, template, 0.6, key=True, x=said)
    return _problem(kind, language, text, str(sum(numbers)), scratchpad.think(numbers))


def _tool(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    wanted = rng.choice(list(tools.TRAINING))
    kinds = rng.sample(list(tools.TRAINING), rng.choice(pen.offers))
    if wanted not in kinds:
        kinds[rng.randrange(len(kinds))] = wanted
    offers = {kind: offer_of(rng, kind) for kind in kinds}
    template, values, slots = request(rng, language, wanted, exam=False)
    text = dressed(pen, language, template, 0.4, key=False, **slots)
    answer = tools.written(offers[wanted].call(values))
    return _problem(
        "tool", language, text, answer, f"tool {wanted}", tuple(o.schema for o in offers.values())
    )


def _other(pen: Pen, language: Language) -> Problem:
    """Tools lie on the table, but none fits: the answer is the ordinary one."""
    rng = pen.rng
    plain = rng.choice((_talk, _unknown, _fact, _easy_sum))(pen, language)
    kinds = [kind for kind in tools.TRAINING if kind != "add"]
    offers = [offer_of(rng, kind) for kind in rng.sample(kinds, rng.choice((1, 1, 2)))]
    return Problem(
        "other",
        plain.language,
        plain.messages,
        plain.answer,
        plain.thought,
        tuple(o.schema for o in offers),
    )


def _result(pen: Pen, language: Language) -> Problem:
    """A tool has answered: the model passes it on in one sentence."""
    rng = pen.rng
    asked = _tool(pen, language)
    found = " ".join(
        rng.choice((word(rng, language), str(rng.randrange(10 ** rng.choice((1, 2, 4))))))
        for _ in range(rng.randrange(1, 6))
    )
    style = rng.randrange(4)
    if style == 0:
        found = f'{{"{word(rng, language)}": {rng.randrange(100)}}}'
    elif style == 1:
        found = f"{rng.randrange(-9, 40)} °C, {found}"
    call = {"role": "assistant", "content": asked.answer}
    messages = (*asked.messages, call, {"role": "tool", "content": found})
    return Problem(
        "result", language.code, messages, language.result.format(x=found), "result", asked.tools
    )


def _echo(pen: Pen, language: Language) -> Problem:
    rng = pen.rng
    said = [
        rng.choice((word(rng, language), word(rng, language), str(rng.randrange(100_000))))
        for _ in range(rng.randrange(1, 5))
    ]
    text = dressed(pen, language, rng.choice(language.echo.train), 0.1, x=" ".join(said))
    return _problem("echo", language, text, " ".join(said), "echo")


KINDS: dict[str, Callable[[Pen, Language], Problem]] = {
    "talk": _talk,
    "unknown": _unknown,
    "fact": _fact,
    "easy_sum": _easy_sum,
    "hard_sum": _hard_sum,
    "tool": _tool,
    "other": _other,
    "result": _result,
    "echo": _echo,
}


def _problem(
    kind: str,
    language: Language,
    text: str,
    answer: str,
    thought: str,
    offered: tuple[dict[str, Any], ...] = (),
) -> Problem:
    message = {"role": "user", "content": text}
    return Problem(kind, language.code, (message,), answer, thought, offered)


def _surrounded(rng: random.Random, problem: Problem) -> Problem:
    """The same problem after other turns or under a system prompt, now and then."""
    before: list[Message] = []
    if rng.random() < 0.3:
        before.append({"role": "system", "content": system_prompt(rng)})
    if rng.random() < 0.06:
        for _ in range(rng.choice((1, 1, 2))):
            kind = rng.choice((_talk, _fact, _easy_sum, _unknown, _hard_sum))
            past = kind(Pen(rng, 1.0), rng.choice(languages()))
            before += [past.messages[0], {"role": "assistant", "content": past.answer}]
    return Problem(
        problem.kind,
        problem.language,
        (*before, *problem.messages),
        problem.answer,
        problem.thought,
        problem.tools,
    )
