"""The noise around what counts: other words, other casing, fillers, system prompts.

It decides how a wording of the phrasebook is said by someone in a hurry, and what stands before
it. What is asked, and the right answer, is `problems`'.
"""

import random
from dataclasses import dataclass

from deploy.pocket.asking import spoken, word
from deploy.pocket.phrasebook import Language, languages

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

# How many tools are offered where one is wanted, each number as often as it stands here.
FEW = (1, 1, 1, 2, 2, 3)


@dataclass(frozen=True, slots=True)
class Pen:
    """Who writes a problem: its luck, how much noise it makes (0..1), how many tools it offers."""

    rng: random.Random
    noise: float
    offers: tuple[int, ...] = FEW


def dressed(
    pen: Pen,
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
        # Elsewhere no other word may touch a slot: where its value ends must stay plain.
        changed = loose if key else [at for at in loose[:1] if "{" not in "".join(parts[:3])]
        for at in changed:
            if rng.random() < 0.5:
                parts[at] = rng.choice((spoken(rng, language), spoken(rng, language), ""))
        for _ in range(rng.choice((0, 0, 1, 2, 3)) if key else 0):
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


def system_prompt(rng: random.Random) -> str:
    """A usual one or, now and then, one with made-up words before it or in its place."""
    system = rng.choice(SYSTEMS)
    if rng.random() < 0.15:
        made = [word(rng, rng.choice(languages())) for _ in range(rng.randrange(1, 9))]
        system = " ".join([*made, system] if rng.random() < 0.5 else made)
    return system
