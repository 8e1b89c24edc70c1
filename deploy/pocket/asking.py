"""How numbers, names and requests are put into words: shared by training and exam.

It decides what the values of a problem are and how they are written. The sentences around them
are the phrasebook's, whose wordings for training and exam differ. Places and units are a closed
table, as facts are: the exam asks for those that were taught.
"""

import functools
import random

from deploy.pocket.phrasebook import Language
from deploy.pocket.tools import Value

UNITS = ("EUR", "USD", "GBP", "JPY", "CHF", "CNY", "km", "kg", "euros", "dollars", "yen", "miles")
ORDERS = ("SO-", "PO-")

# Where words are not set apart, a made-up place must look like one to be told from its sentence.
PLACE_SIGNS = {
    "zh": "安宁海山林江川阳门沙州城平丰银石泉青岭湖桥龙凤云昌兴永清",
    "ja": "アイカキサシタテナノハマミモヤラリルワンドバグ山川島崎浜松岡森沢田",
}


def listed(rng: random.Random, language: Language, numbers: list[int]) -> str:
    """Numbers as someone would write a sum of them."""
    words = [str(number) for number in numbers]
    style = rng.randrange(5)
    if style == 0:
        return language.plus.join(words)
    if style == 1:
        return "+".join(words)
    if style == 2:
        return ", ".join(words[:-1]) + language.conjunction + words[-1]
    return " + ".join(words)


def easy_numbers(rng: random.Random) -> list[int]:
    """Two numbers of one or two digits."""
    return [rng.randrange(10 ** rng.choice((1, 2, 2))) for _ in range(2)]


def hard_numbers(rng: random.Random) -> list[int]:
    """Three or four numbers of four or five digits, long enough to need steps."""
    digits = [rng.choice((4, 5, 5)) for _ in range(rng.choice((3, 3, 4)))]
    return [rng.randrange(10 ** (d - 1), 10**d) for d in digits]


def request(
    rng: random.Random, language: Language, kind: str, *, exam: bool
) -> tuple[str, list[Value], dict[str, str]]:
    """A wording that asks for a tool, the right values in order, and the slots to fill."""
    wordings = language.sum if kind == "add" else language.tools[kind]
    template = rng.choice(wordings.exam if exam else wordings.train)
    if kind == "add":
        few = rng.random() < 0.5
        numbers = easy_numbers(rng) if few else [rng.randrange(1000) for _ in range(3)]
        return template, [numbers], {"x": listed(rng, language, numbers)}
    if kind == "convert":
        amount = rng.randrange(1, 10 ** rng.choice((1, 2, 3, 4)))
        one, other = rng.sample(UNITS, 2)
        return template, [amount, one, other], {"n": str(amount), "a": one, "b": other}
    known = exam or rng.random() < 0.8
    name = _number(rng) if kind == "order" else _city(rng, language, known=known)
    return template, [name], {"x": name}


def word(rng: random.Random, language: Language) -> str:
    """A made-up word in the language's own letters."""
    parts = _syllables(language.code, language.wordings_text())
    return "".join(rng.choice(parts) for _ in range(rng.choice((2, 2, 3, 3, 4))))


def spoken(rng: random.Random, language: Language) -> str:
    """A word of the language, one that training wordings use, or a made-up one."""
    if rng.random() < 0.4:
        return word(rng, language)
    return rng.choice(_words(language.wordings_text(), language.requests_text()))


def _number(rng: random.Random) -> str:
    """An order's number, with a shop's usual letters before it or not."""
    digits = "".join(rng.choices("0123456789", k=rng.choice((4, 5))))
    return rng.choice(("", "", *ORDERS)) + digits


def _city(rng: random.Random, language: Language, *, known: bool) -> str:
    """A city of the phrasebook, or a made-up one, which has to be read letter by letter."""
    if known:
        return rng.choice(language.cities)
    if language.code in PLACE_SIGNS:
        return "".join(rng.sample(PLACE_SIGNS[language.code], rng.choice((2, 2, 3))))
    return " ".join(word(rng, language).capitalize() for _ in range(rng.choice((1, 1, 1, 2))))


@functools.cache
def _words(text: str, requests: str) -> tuple[str, ...]:
    """All words but those that ask for a tool: they mean something wherever they stand."""
    kept = set(text.split()) - set(requests.split())
    return tuple(sorted(part for part in kept if "{" not in part))


@functools.cache
def _syllables(code: str, text: str) -> tuple[str, ...]:
    """What words of the language are made of: single characters or pairs of letters."""
    width = 1 if code in ("zh", "ja") else 2
    letters = "".join(c if c.isalpha() else " " for c in text).split()
    parts = {w[i : i + width].lower() for w in letters for i in range(len(w) - width + 1)}
    return tuple(sorted(parts))
