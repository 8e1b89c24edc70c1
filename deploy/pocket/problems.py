"""The problems the pocket models are trained on, made without end from one seed.

It decides the mixture: which kinds of problem, in which languages, with how much noise around
what counts (fillers, made-up words, other casing, system prompts, earlier turns), and the one
right answer of each. The wordings of the exam never appear here; see `exam`.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.pocket import scratchpad, tools
from deploy.pocket.asking import easy_numbers, hard_numbers, listed, request, spoken, word
from deploy.pocket.phrasebook import Facts, Language, languages

Message = dict[str, Any]

SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer briefly.",
    "You are Bifocal, a friendly model.",
    "Answer in the language of the user.",
    "You are an expert. Be short and exact.",
    "Today is Tuesday. You work for a shop and help customers with their orders.",
    "Du bist ein hilfreicher Assistent.",
    "Tu es un assistant utile.",
    "Eres un asistente útil.",
    "Ты полезный помощник.",
    "你是一个有用的助手。",
    "あなたは役に立つアシスタントです。",
    "أنت مساعد مفيد.",
)
LATIN = ("de", "en", "es", "fr")
# Words that tell nothing about what a tool does.
FILLING = (  # noqa: SIM905 - words read best as words
    "a the of in for one some any each with and or given user please simple fast tool service "
    "returns gives finds this that it its by on all only here current data info result value"
).split()
# What programmers name things after; names made of these are read, not known by heart.
NAMING = (  # noqa: SIM905 - words read best as words
    "get read find show check call run make ask load open send take use give data item "
    "value text key code type user my new old main local global base simple quick service api "
    "request query search result id target city place town area region point zone weather "
    "time clock hour order parcel total add amount money price convert "
    "from to of for in by at the one all"
).split()


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
    """How often each kind of problem is drawn, and how often thinking is on."""

    weights: Mapping[str, float]
    thinking: Mapping[str, float] = field(default_factory=dict)


DENSE = Mix(
    {
        "talk": 9,
        "unknown": 5,
        "fact": 20,
        "easy_sum": 40,
        "hard_sum": 4,
        "tool": 52,
        "other": 4,
        "result": 3,
        "echo": 4,
    },
    {"easy_sum": 0.05, "hard_sum": 0.6, "tool": 0.15},
)
MOE = Mix(
    {
        "talk": 10,
        "unknown": 4,
        "fact": 20,
        "easy_sum": 30,
        "hard_sum": 24,
        "tool": 46,
        "other": 3,
        "result": 3,
        "echo": 4,
    },
    {"easy_sum": 0.15, "hard_sum": 0.9, "tool": 0.4},
)


def draw(rng: random.Random, mix: Mix, progress: float = 1.0) -> tuple[Problem, bool]:
    """One problem, and whether it is to be answered thinking.

    Early in a training (`progress` near 0) problems come plain: what they ask for is learnt
    there in a fraction of the time, and holds when the noise comes.
    """
    kind = rng.choices(list(mix.weights), list(mix.weights.values()))[0]
    language = rng.choice(languages())
    noise = min(1.0, 2.5 * progress)
    problem = KINDS[kind](_Pen(rng, noise), language)
    if rng.random() < noise:
        problem = _surrounded(rng, problem)
    return problem, rng.random() < mix.thinking.get(kind, 0.35)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Who writes a problem: its luck, and how much noise it makes (0..1)."""

    rng: random.Random
    noise: float


def _talk(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    talk = rng.choice(list(language.smalltalk.values()))
    text = _dressed(pen, language, rng.choice(talk.wordings.train), 0.3)
    return _problem("talk", language, text, talk.answer, "greeting")


def _unknown(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    text = rng.choice(language.unknown.wordings.train)
    if rng.random() < 0.5:
        words = [word(rng, language) for _ in range(rng.randrange(1, 6))]
        text = " ".join(rng.sample([*text.split(" "), *words], rng.randrange(1, len(words) + 2)))
    return _problem(
        "unknown", language, _dressed(pen, language, text, 0.3), language.unknown.answer, "unknown"
    )


def _fact(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    facts: Facts = rng.choice(list(language.facts.values()))
    key, answer = rng.choice(list(facts.pairs.items()))
    text = _dressed(pen, language, rng.choice(facts.wordings.train), 0.6, key=True, x=key)
    return _problem("fact", language, text, answer, "fact")


def _easy_sum(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    return _sum(pen, language, "easy_sum", easy_numbers(rng))


def _hard_sum(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    return _sum(pen, language, "hard_sum", hard_numbers(rng))


def _sum(pen: _Pen, language: Language, kind: str, numbers: list[int]) -> Problem:
    rng = pen.rng
    template, said = rng.choice(language.sum.train), listed(rng, language, numbers)
    text = _dressed(pen, language, template, 0.6, key=True, x=said)
    return _problem(kind, language, text, str(sum(numbers)), scratchpad.think(numbers))


def _tool(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    wanted = rng.choice(list(tools.TRAINING))
    kinds = rng.sample(list(tools.TRAINING), rng.choice((1, 1, 1, 2, 2, 3)))
    if wanted not in kinds:
        kinds[rng.randrange(len(kinds))] = wanted
    offers = {kind: _offer(rng, kind) for kind in kinds}
    template, values, slots = request(rng, language, wanted, exam=False)
    text = _dressed(pen, language, template, 0.4, key=False, **slots)
    answer = tools.written(offers[wanted].call(values))
    return _problem(
        "tool", language, text, answer, "tool", tuple(o.schema for o in offers.values())
    )


def _other(pen: _Pen, language: Language) -> Problem:
    """Tools lie on the table, but none fits: the answer is the ordinary one."""
    rng = pen.rng
    plain = rng.choice((_talk, _unknown, _fact, _easy_sum))(pen, language)
    kinds = [kind for kind in tools.TRAINING if kind != "add"]
    offers = [_offer(rng, kind) for kind in rng.sample(kinds, rng.choice((1, 1, 2)))]
    return Problem(
        "other",
        plain.language,
        plain.messages,
        plain.answer,
        plain.thought,
        tuple(o.schema for o in offers),
    )


def _result(pen: _Pen, language: Language) -> Problem:
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


def _echo(pen: _Pen, language: Language) -> Problem:
    rng = pen.rng
    said = [
        rng.choice((word(rng, language), word(rng, language), str(rng.randrange(100_000))))
        for _ in range(rng.randrange(1, 5))
    ]
    text = _dressed(pen, language, rng.choice(language.echo.train), 0.1, x=" ".join(said))
    return _problem("echo", language, text, " ".join(said), "echo")


KINDS: dict[str, Callable[[_Pen, Language], Problem]] = {
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
        system = rng.choice(SYSTEMS)
        if rng.random() < 0.3:
            made = [word(rng, rng.choice(languages())) for _ in range(rng.randrange(1, 9))]
            system = " ".join([*made, system] if rng.random() < 0.5 else made)
        before.append({"role": "system", "content": system})
    if rng.random() < 0.12:
        for _ in range(rng.choice((1, 1, 2))):
            kind = rng.choice((_talk, _fact, _easy_sum, _unknown, _hard_sum))
            past = kind(_Pen(rng, 1.0), rng.choice(languages()))
            before += [past.messages[0], {"role": "assistant", "content": past.answer}]
    return Problem(
        problem.kind,
        problem.language,
        (*before, *problem.messages),
        problem.answer,
        problem.thought,
        problem.tools,
    )


def _offer(rng: random.Random, kind: str) -> tools.Offer:
    """A tool on offer, more often than not under a made-up name: names are to be read."""

    def invented() -> str:
        luck = rng.random()
        if luck < 0.25:
            return ""
        if luck < 0.85:
            return "_".join(rng.sample(NAMING, rng.choice((1, 2, 2, 2, 3))))
        language = rng.choice([spoken for spoken in languages() if spoken.code in LATIN])
        return "_".join(word(rng, language).lower() for _ in range(rng.choice((1, 1, 2))))

    made = tools.offer(rng, tools.TRAINING, kind, invented)
    if rng.random() < 0.5:
        # Other words around the one that tells: descriptions, too, come in all wordings.
        function = made.schema["function"]
        words = function["description"].split(" ")
        for _ in range(rng.choice((1, 2, 3))):
            words.insert(rng.randrange(len(words) + 1), rng.choice(FILLING))
        function["description"] = " ".join(words)
    return made


def _dressed(
    pen: _Pen,
    language: Language,
    template: str,
    noise: float,
    *,
    key: bool = False,
    **slots: str,
) -> str:
    """A wording with its slots filled and, with the odds of `noise`, other words around them."""
    rng = pen.rng
    if rng.random() < noise * pen.noise:
        parts = template.split(" ")
        loose = [i for i, part in enumerate(parts) if "{" not in part]
        # `key`: the slots alone say what is asked, so any word around them may be another.
        changed = loose if key else loose[:1] if len(loose) > 2 else []
        for at in changed:
            if rng.random() < 0.5:
                parts[at] = rng.choice((spoken(rng, language), spoken(rng, language), ""))
        for _ in range(rng.choice((0, 0, 1, 2, 3) if key else (0, 0, 0, 1))):
            parts.insert(rng.randrange(len(parts) + 1), spoken(rng, language))
        template = " ".join(part for part in parts if part)
        if rng.random() < 0.5:
            template = rng.choice(language.lead) + template
        if rng.random() < 0.4:
            template = template.rstrip("?.!؟。？ ") + rng.choice(language.tail)
    if rng.random() < 0.2 * pen.noise:
        template = template.rstrip("?.!؟。？ ") + rng.choice(("", "!", "??", " ?", "..."))
    text = template.format(**slots) if slots else template
    if rng.random() < 0.1 and "{n}" not in template:
        first = text.split("{")[0][:1]
        text = first.swapcase() + text[1:]
    return text
